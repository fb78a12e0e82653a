"""The metrics of a service's life: its phase, its drain, its servers, and what operators ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from telemetry.chassis.exposition import counters, gauge, states
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from telemetry.chassis.health import Readiness

DRAIN_OUTCOMES: Final = ("clean", "timed_out")


class Drain(Protocol):
    """The end of a life, from the stop request."""

    @property
    def outcome(self) -> str | None:
        """One of DRAIN_OUTCOMES; None before the end."""

    @property
    def duration_s(self) -> float | None:
        """Up to this moment or the end; None before the stop request."""


class Life(Protocol):
    """The part of a service's statistics that is the same for all."""

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""

    @property
    def dependencies(self) -> Mapping[str, Readiness]:
        """The servers that it cannot do without."""

    @property
    def drain(self) -> Drain:
        """How it ends."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests that were taken, by name."""

    @property
    def control_messages_dropped(self) -> Mapping[str, int]:
        """Messages that were no requests, by reason."""


def life_metrics(prefix: str, now: Life, *, drain_budget_s: float) -> Iterator[Metric]:
    """Their names begin with `prefix`; the drain may take `drain_budget_s`."""
    yield gauge(
        f"{prefix}_drain_duration_seconds",
        "Time since the stop request; absent before it.",
        now.drain.duration_s,
    )
    yield gauge(
        f"{prefix}_drain_budget_seconds",
        "Time from the stop request until all is decided, at most.",
        drain_budget_s,
    )
    yield states(
        f"{prefix}_drain_outcome",
        "1 for the outcome of the drain, once it has ended.",
        "outcome",
        {name: name == now.drain.outcome for name in DRAIN_OUTCOMES},
    )
    yield states(
        f"{prefix}_phase",
        "1 for the phase of its life that the process is in.",
        "phase",
        {phase.value: phase is now.phase for phase in Phase},
    )
    yield states(
        f"{prefix}_dependency_ready",
        "1 while the server can be used.",
        "dependency",
        {name: readiness.ready for name, readiness in now.dependencies.items()},
    )
    yield counters(
        f"{prefix}_requests_total",
        "Operators' requests that this instance has taken.",
        "request",
        now.requests,
    )
    yield counters(
        f"{prefix}_control_messages_dropped_total",
        "Messages on the control channel that were no requests.",
        "reason",
        now.control_messages_dropped,
    )
