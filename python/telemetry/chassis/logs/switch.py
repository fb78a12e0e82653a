"""Changes the level of a running process' log, for a time or for good."""

from __future__ import annotations

import math
from typing import NoReturn, Protocol

import trio

from telemetry.chassis import clocks
from telemetry.chassis.logs.log import LEVELS, level_of, set_level


class LevelJournal(Protocol):
    """Where a change is reported. Never raises."""

    def log_level_changed(self, *, level: str, for_s: int | None) -> None:
        """The log has another level for so many seconds; None: until it is changed again."""


class LevelSwitch:
    """The level of a service's log.

    Owns the time at which a level ends. Ends only by cancellation, and leaves the level as it is.
    """

    def __init__(self, service: str, journal: LevelJournal) -> None:
        self._service = service
        self._journal = journal
        self._lasting = level_of(service)
        self._ends_at_s = math.inf
        self._changed = trio.Event()

    @property
    def level(self) -> str:
        """The level now."""
        return level_of(self._service)

    def change(self, level: str, for_s: int | None = None) -> None:
        """Write from `level` on. With `for_s`, and back after so long, to the last level that has no end."""
        if for_s is None:
            self._lasting = level
            self._ends_at_s = math.inf
        else:
            self._ends_at_s = clocks.monotonic_s() + for_s
        self._set(level, for_s)
        self._changed.set()

    async def run(self) -> NoReturn:
        """Go back in time."""
        while True:
            self._changed = trio.Event()
            with trio.move_on_at(self._ends_at_s):
                await self._changed.wait()
            if clocks.monotonic_s() >= self._ends_at_s:
                self._ends_at_s = math.inf
                self._set(self._lasting, None)

    def _set(self, level: str, for_s: int | None) -> None:
        # Reported at whichever level writes more: a quiet log should say why it is quiet.
        is_quieter = LEVELS[level] > LEVELS[self.level]
        if is_quieter:
            self._journal.log_level_changed(level=level, for_s=for_s)
        set_level(self._service, level)
        if not is_quieter:
            self._journal.log_level_changed(level=level, for_s=for_s)
