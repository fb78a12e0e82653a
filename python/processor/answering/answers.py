"""The table of requests: what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from processor.answering.devices import DeviceAnswers
from processor.answering.look import Look
from processor.core.requests import CLAIM_NOW, HELD_DEVICE, REHYDRATE
from processor.journal.identity import Identity
from processor.journal.journal import Journal
from telemetry.chassis.control.carriers import CommonCarriers
from telemetry.chassis.control.messages import Values
from telemetry.chassis.control.requests import LOOK
from telemetry.chassis.control.responder import CannotDo, Carrier
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs.switch import LevelSwitch
from telemetry.chassis.nudge import Nudge


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
        self._common = CommonCarriers(parts.levels, parts.black_box, parts.dumps, parts.journal)

    @property
    def carriers(self) -> Mapping[str, Carrier]:
        """For the responder."""
        return {
            LOOK: self._look.describe,
            HELD_DEVICE: self._parts.devices.held,
            REHYDRATE: self._rehydrate,
            CLAIM_NOW: self._claim_now,
            **self._common.carriers,
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
