"""The phases of a process's life, as a table: which follows which, and which one is ready.

Nothing here waits, reads a clock or knows of tasks; the supervisor moves the phase, and the readiness
probe looks at what it permits.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where the process is in its life."""

    STARTING = "starting"
    """Connecting, checking the schema, creating the group."""
    RUNNING = "running"
    """Reading and writing."""
    DRAINING = "draining"
    """No new reads; what was read is written and acknowledged."""
    STOPPED = "stopped"
    """Nothing is in flight."""


FOLLOWERS: dict[Phase, frozenset[Phase]] = {
    # A stop request or a failed start ends a life that read nothing yet: there is nothing to drain.
    Phase.STARTING: frozenset({Phase.RUNNING, Phase.STOPPED}),
    # A crash unwinds the whole tree, without a drain.
    Phase.RUNNING: frozenset({Phase.DRAINING, Phase.STOPPED}),
    Phase.DRAINING: frozenset({Phase.STOPPED}),
    Phase.STOPPED: frozenset(),
}

READY_PHASES = frozenset({Phase.RUNNING})
"""Where `/readyz` says so, if the dependencies are ready too."""


class IllegalMoveError(RuntimeError):
    """A move that the table does not have: a mistake in this program. The phase is as it was."""


class Lifecycle:
    """The current phase. Starts in STARTING."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING

    @property
    def phase(self) -> Phase:
        """Where the process is now."""
        return self._phase

    def move(self, to: Phase) -> None:
        """Enter a phase. Raises IllegalMoveError, and stays, when it does not follow the current one."""
        if to not in FOLLOWERS[self._phase]:
            raise IllegalMoveError(f"{to.name} does not follow {self._phase.name}")
        self._phase = to
