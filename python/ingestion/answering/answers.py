"""The table of requests: what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ingestion.answering.devices import DeviceAnswers
from ingestion.core.requests import DEVICES, WATCH
from telemetry.chassis.control.carriers import CommonCarriers
from telemetry.chassis.control.requests import LOOK
from telemetry.chassis.control.responder import Carrier, InParts

if TYPE_CHECKING:
    from ingestion.answering.ports import Roster
    from ingestion.answering.watching import Watches
    from ingestion.journal.identity import Identity
    from ingestion.journal.journal import Journal
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.crash.document import DumpOptions
    from telemetry.chassis.crash.sections import BlackBox
    from telemetry.chassis.logs.switch import LevelSwitch


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the answers are about."""

    journal: Journal
    identity: Identity
    roster: Roster
    watches: Watches
    levels: LevelSwitch
    black_box: BlackBox
    dumps: DumpOptions


class Answers:
    """Carries out requests. Each refuses bad arguments with CannotDo."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._common = CommonCarriers(parts.levels, parts.black_box, parts.dumps, parts.journal)

    @property
    def carriers(self) -> Mapping[str, Carrier | InParts]:
        """For the responder."""
        return {
            LOOK: self._look,
            DEVICES: InParts(DeviceAnswers(self._parts.roster).tell),
            WATCH: InParts(self._parts.watches.begin),
            **self._common.carriers,
        }

    async def _look(self, _arguments: Values) -> Values:
        await trio.lowlevel.checkpoint()
        parts = self._parts
        return parts.identity.describe(parts.journal.snapshot(), log_level=parts.levels.level)
