"""The phases of a process's life, as a table: which phase may follow which, and in which one it is ready.

Nothing here waits, reads a clock or knows of tasks. The supervisor moves the phase; `/readyz` shows it.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where the process is in its life."""

    STARTING = "starting"
    """Connecting and checking."""
    RUNNING = "running"
    """At work."""
    LEAVING = "leaving"
    """A stop is announced: not ready any more, and still working until its delay is over."""
    DRAINING = "draining"
    """Nothing new comes in; what is in flight is finished."""
    STOPPED = "stopped"
    """Nothing is in flight."""


FOLLOWERS: dict[Phase, frozenset[Phase]] = {
    # A stop request or a failed start: nothing was read yet, and there is nothing to drain.
    Phase.STARTING: frozenset({Phase.RUNNING, Phase.STOPPED}),
    # A crash unwinds all tasks, without a drain.
    Phase.RUNNING: frozenset({Phase.LEAVING, Phase.DRAINING, Phase.STOPPED}),
    Phase.LEAVING: frozenset({Phase.DRAINING, Phase.STOPPED}),
    Phase.DRAINING: frozenset({Phase.STOPPED}),
    Phase.STOPPED: frozenset(),
}

READY_PHASES = frozenset({Phase.RUNNING})
"""The service is ready in these phases, if its dependencies are ready, too."""


class IllegalMoveError(RuntimeError):
    """A move that is not in the table: a bug in this program. The phase does not change."""


class Lifecycle:
    """The current phase. Starts in STARTING."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING

    @property
    def phase(self) -> Phase:
        """Where the process is now."""
        return self._phase

    def move(self, to: Phase) -> None:
        """Enter a phase. Raises IllegalMoveError, and stays in the current one, if the phase may not follow it."""
        if to not in FOLLOWERS[self._phase]:
            raise IllegalMoveError(f"{to.name} does not follow {self._phase.name}")
        self._phase = to
