"""Plan: what happens in a run, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Event(Enum):
    """What happens to the instances."""

    SHARE = "share"
    """Nothing: they work off a backlog, and then a steady load."""
    KILL9 = "kill9"
    """SIGKILL to one of them, which holds entries."""
    SIGTERM = "sigterm"
    """A stop request to one of them, which holds entries."""
    FREEZE = "freeze"
    """SIGSTOP to one of them, for longer than the claim threshold; then it goes on."""
    ROLLING_NEW = "rolling-new"
    """One after the other is replaced: a new one with a new name is started, then the old one is stopped."""
    ROLLING_SAME = "rolling-same"
    """One after the other is stopped, then started again under its name."""
    ROLLING_TWINS = "rolling-twins"
    """One after the other gets a second process of its name beside it; then the first is stopped."""

    @property
    def needs_peer(self) -> bool:
        """Whether another instance has to take over: left out where one instance runs alone."""
        return self in {Event.KILL9, Event.SIGTERM, Event.FREEZE}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the operator chose."""

    instances: tuple[int, ...]
    """A run for each of these numbers."""
    events: tuple[Event, ...]
    rate: int
    """Records a second, all the time."""
    seconds: float
    """Of steady load before the first event, and behind each."""
    backlog: int
    """Records that they work off together, before the steady load."""
    tolerance_ms: int
    """What a takeover may take beyond the claim threshold and an interval: a look, and the machine's delays."""

    def events_with(self, instances: int) -> tuple[Event, ...]:
        """What can happen to this number of instances."""
        return tuple(
            each for each in Event if each in self.events and self._is_for(each, instances)
        )

    @staticmethod
    def _is_for(event: Event, instances: int) -> bool:
        return instances > 1 or not event.needs_peer
