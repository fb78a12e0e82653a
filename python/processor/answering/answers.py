"""The table of requests: what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from processor.answering.arguments import seconds_of, text_of
from processor.answering.devices import DeviceAnswers
from processor.answering.look import Look
from processor.core.requests import CLAIM_NOW, DUMP, HELD_DEVICE, LOG_LEVEL, LOOK, REHYDRATE
from processor.journal.identity import Identity
from processor.journal.journal import Journal
from processor.reading.reclaimer import Nudge
from telemetry.chassis.control.messages import Values
from telemetry.chassis.control.responder import CannotDo, Carrier
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.requested import leave_requested_dump
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs.log import LEVELS
from telemetry.chassis.logs.switch import LevelSwitch


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the answers are about."""

    journal: Journal
    identity: Identity
    devices: DeviceAnswers
    reclaim: Nudge
    levels: LevelSwitch
    black_box: BlackBox
    dumps: DumpOptions


class Answers:
    """Carries out requests. Each refuses bad arguments with CannotDo."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._look = Look(parts.journal.snapshot, parts.identity, parts.levels)
        # Each dump holds some megabytes while it is made.
        self._dumping = trio.Lock()

    @property
    def carriers(self) -> Mapping[str, Carrier]:
        """For the responder."""
        return {
            LOOK: self._look.describe,
            HELD_DEVICE: self._parts.devices.held,
            REHYDRATE: self._rehydrate,
            CLAIM_NOW: self._claim_now,
            LOG_LEVEL: self._log_level,
            DUMP: self._dump,
        }

    @property
    def _phase(self) -> Phase:
        return self._parts.journal.health().phase

    async def _rehydrate(self, arguments: Values) -> Values:
        return await self._parts.devices.rehydrate(arguments, self._phase)

    async def _claim_now(self, _arguments: Values) -> Values:
        await trio.lowlevel.checkpoint()
        if self._phase not in {Phase.STARTING, Phase.RUNNING}:
            raise CannotDo("it is draining, and takes no new work")
        # While it starts, its first look is still to come.
        self._parts.reclaim.give()
        return {}

    async def _log_level(self, arguments: Values) -> Values:
        await trio.lowlevel.checkpoint()
        level, for_s = text_of(arguments, "level"), seconds_of(arguments, "for_s")
        if level not in LEVELS:
            raise CannotDo(f"{level!r} is no log level; there are {', '.join(LEVELS)}")
        self._parts.levels.change(level, for_s)
        return {"log_level": self._parts.levels.level}

    async def _dump(self, _arguments: Values) -> Values:
        parts = self._parts
        async with self._dumping:
            left = await leave_requested_dump(parts.black_box, parts.dumps)
        if left.path is None:
            raise CannotDo(f"the dump could not be written: {left.failure}")
        parts.journal.dump_written(path=left.path)
        return {"path": left.path}
