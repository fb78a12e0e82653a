"""There is an answer to every request, and an instance describes itself by what its journal knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestion.answering.answers import Answers, Parts
from ingestion.answering.watching import Watches
from ingestion.core.requests import REQUESTS
from ingestion.journal.identity import Identity
from ingestion.journal.statistics import Load
from ingestion.sessions.roster import Roster
from ingestion.taps.taps import Taps
from telemetry.chassis.control.requests import LOG_LEVEL, LOOK
from telemetry.chassis.control.responder import CannotDo, InParts
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs.switch import LevelSwitch
from tests.support.journals import new_ingestion_journal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    journal, roster = new_ingestion_journal(), Roster()
    return Parts(
        journal=journal,
        identity=Identity(host="ferry-7", pid=42, started_at_ms=1_777_636_800_000),
        roster=roster,
        watches=Watches(Taps(), roster, journal),
        levels=LevelSwitch("ingestion-of-a-test", journal),
        black_box=BlackBox(),
        dumps=DumpOptions(
            service="tcp-ingestion",
            instance_id="i-1",
            directory=str(tmp_path),
            configuration={},
            secrets=(),
        ),
    )


def test_there_is_an_answer_to_every_request(parts: Parts) -> None:
    assert set(Answers(parts).carriers) == set(REQUESTS)


async def test_it_describes_itself(parts: Parts) -> None:
    parts.journal.phase_entered(Phase.DRAINING)
    parts.journal.measure(lambda: Load(connections=3, queue_records=7))
    parts.levels.change("debug")
    look = Answers(parts).carriers[LOOK]
    assert not isinstance(look, InParts)
    described = await look({})
    assert (described["phase"], described["log_level"]) == ("draining", "debug")
    assert described["started_at"] == "2026-05-01T12:00:00.000Z"
    assert (described["in_flight"], described["connections"]) == (7, 3)


async def test_a_level_that_there_is_not_is_refused(parts: Parts) -> None:
    change = Answers(parts).carriers[LOG_LEVEL]
    assert not isinstance(change, InParts)
    with pytest.raises(CannotDo):
        await change({"level": "loud"})
