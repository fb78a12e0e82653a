"""Which requests are refused, by arguments and by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.answering.answers import Answers, Parts
from processor.answering.devices import DeviceAnswers
from processor.core.requests import CLAIM_NOW, REQUESTS
from processor.journal.identity import Identity
from telemetry._codec import DeviceStates
from telemetry.chassis.control.requests import LOG_LEVEL, LOOK
from telemetry.chassis.control.responder import CannotDo
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs.switch import LevelSwitch
from telemetry.chassis.nudge import Nudge

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from processor.journal.journal import Journal

PAUSE_S = 3_600


@pytest.fixture
def parts(journal: Journal, tmp_path: Path) -> Parts:
    dumps = DumpOptions(
        service="processor",
        instance_id="p-1",
        directory=str(tmp_path),
        configuration={},
        secrets=(),
    )
    return Parts(
        journal=journal,
        identity=Identity(host="ferry-7", pid=42, started_at_ms=1_777_636_800_000),
        devices=DeviceAnswers(DeviceStates(1), []),
        reclaim=Nudge(),
        levels=LevelSwitch("processor-of-a-test", journal),
        black_box=BlackBox(),
        dumps=dumps,
    )


async def test_there_is_an_answer_to_every_request(parts: Parts) -> None:
    assert set(Answers(parts).carriers) == set(REQUESTS)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.RUNNING])
async def test_a_claim_is_asked_for_at_once(clock: MockClock, parts: Parts, phase: Phase) -> None:
    parts.journal.phase_entered(phase)
    assert await Answers(parts).carriers[CLAIM_NOW]({}) == {}
    began = trio.current_time()
    await parts.reclaim.pause(PAUSE_S)
    assert trio.current_time() == began


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPED])
async def test_who_is_ending_claims_nothing(clock: MockClock, parts: Parts, phase: Phase) -> None:
    parts.journal.phase_entered(phase)
    with pytest.raises(CannotDo, match="draining"):
        await Answers(parts).carriers[CLAIM_NOW]({})
    began = trio.current_time()
    await parts.reclaim.pause(PAUSE_S)
    assert trio.current_time() - began == PAUSE_S


@pytest.mark.parametrize(
    "arguments", [{}, {"level": "loud"}, {"level": "info", "for_s": 0}, {"level": 1}], ids=str
)
async def test_a_level_that_there_is_not_changes_nothing(
    parts: Parts, arguments: dict[str, object]
) -> None:
    parts.levels.change("warn")
    with pytest.raises(CannotDo):
        await Answers(parts).carriers[LOG_LEVEL](arguments)
    assert parts.levels.level == "warn"


async def test_it_describes_itself_by_what_the_journal_knows(
    clock: MockClock, parts: Parts
) -> None:
    parts.levels.change("debug")
    parts.journal.phase_entered(Phase.DRAINING)
    described = await Answers(parts).carriers[LOOK]({})
    assert (described["phase"], described["log_level"]) == ("draining", "debug")
    assert described["started_at"] == "2026-05-01T12:00:00.000Z"
