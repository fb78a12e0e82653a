"""Judge: whether what an instance held was taken over in time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drills.processor.sharing.plan import Event

if TYPE_CHECKING:
    from drills.processor.sharing.holding import HandedOver

HANDED_OVER_MS_MAX = 1_000
"""From a stop request until others have what the instance held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimBounds:
    """What decides how long entries lie that nobody has handed over."""

    threshold_ms: int
    interval_ms: int
    tolerance_ms: int

    @property
    def taken_over_ms_max(self) -> int:
        """From the end of an instance that handed nothing over."""
        return self.threshold_ms + self.interval_ms + self.tolerance_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What one instance held when something happened to it, and how long it took until others had it."""

    event: Event
    instance: str
    at_s: float
    """Since the start of the run."""
    held: int
    over: HandedOver
    bound_ms: int

    @property
    def judged_ms(self) -> float | None:
        """What the bound is for. A name that goes on has its own entries: they are handed over once settled."""
        keeps_name = self.event in {Event.ROLLING_SAME, Event.ROLLING_TWINS}
        return self.over.settled_ms if keeps_name else self.over.taken_over_ms


def bound_ms(event: Event, bounds: ClaimBounds) -> int:
    """How long what an instance held may lie."""
    if event in {Event.KILL9, Event.FREEZE}:
        return bounds.taken_over_ms_max
    return HANDED_OVER_MS_MAX


def judge_handover(handover: Handover) -> list[str]:
    """What is wrong with it, a sentence for each violation. To have held nothing is one: no takeover was shown."""
    who = f"{handover.event.value} ({handover.instance})"
    if not handover.held:
        return [f"{who}: it held nothing when it happened, which shows no takeover"]
    took_ms = handover.judged_ms
    if took_ms is not None and took_ms <= handover.bound_ms:
        return []
    took = "never taken over" if took_ms is None else f"taken over after {took_ms:.0f} ms"
    return [f"{who}: {handover.held} entries were {took}, allowed are {handover.bound_ms} ms"]
