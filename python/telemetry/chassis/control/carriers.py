"""Carries out what operators may ask of any service: another level of the log, and a dump."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import trio

from telemetry.chassis.control.arguments import seconds_of, text_of
from telemetry.chassis.control.requests import DUMP, LOG_LEVEL
from telemetry.chassis.control.responder import CannotDo, Carrier
from telemetry.chassis.crash.requested import leave_requested_dump
from telemetry.chassis.logs.log import LEVELS

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.crash.document import DumpOptions
    from telemetry.chassis.crash.sections import BlackBox
    from telemetry.chassis.logs.switch import LevelSwitch


class DumpJournal(Protocol):
    """Where a dump is reported. Never raises."""

    def dump_written(self, *, path: str) -> None:
        """A dump that was asked for is on the disk."""


class CommonCarriers:
    """The carriers that each service has. Each refuses bad arguments with CannotDo."""

    def __init__(
        self, levels: LevelSwitch, black_box: BlackBox, dumps: DumpOptions, journal: DumpJournal
    ) -> None:
        self._levels = levels
        self._black_box = black_box
        self._dumps = dumps
        self._journal = journal
        # Each dump holds some megabytes while it is made.
        self._dumping = trio.Lock()

    @property
    def carriers(self) -> Mapping[str, Carrier]:
        """By the request's name."""
        return {LOG_LEVEL: self._log_level, DUMP: self._dump}

    async def _log_level(self, arguments: Values) -> Values:
        await trio.lowlevel.checkpoint()
        level, for_s = text_of(arguments, "level"), seconds_of(arguments, "for_s")
        if level not in LEVELS:
            raise CannotDo(f"{level!r} is no log level; there are {', '.join(LEVELS)}")
        self._levels.change(level, for_s)
        return {"log_level": self._levels.level}

    async def _dump(self, _arguments: Values) -> Values:
        async with self._dumping:
            left = await leave_requested_dump(self._black_box, self._dumps)
        if left.path is None:
            raise CannotDo(f"the dump could not be written: {left.failure}")
        self._journal.dump_written(path=left.path)
        return {"path": left.path}
