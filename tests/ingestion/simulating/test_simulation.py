from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from ingestion.cli.simulate import exit_code
from ingestion.simulating import simulation
from ingestion.simulating.assembly import Server, simulate
from ingestion.simulating.frames import Recording, imei_of, read_recording
from ingestion.simulating.plan import SimulationPlan
from ingestion.simulating.tally import Tally
from telemetry.chassis.errors import EdgeError
from telemetry.chassis.exit_codes import ExitCode
from tests.ingestion.simulating.server import HOST, Arrival, DeviceServer, rightly
from tests.support.vectors import DRIVE

if TYPE_CHECKING:
    from ingestion.simulating.report import Summary

PATIENCE_S = 10.0


async def simulated(
    server: DeviceServer, plan: SimulationPlan, recording: Recording | None = None
) -> Summary:
    shown: list[int] = []
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            tally = Tally()
            summary = await simulate(
                plan, recording, Server(HOST, server.port), tally, shown.append
            )
            nursery.cancel_scope.cancel()
    assert shown == sorted(shown)
    return summary


async def never(_: Arrival) -> bytes:
    return b""


async def test_all_devices_play_at_the_rate_until_the_time_is_over() -> None:
    server = DeviceServer()
    summary = await simulated(server, SimulationPlan(devices=20, rate=100, seconds=0.5))
    assert set(server.logins) == {imei_of(device) for device in range(20)}
    # Those that are due before the end, but for the last ones on a machine that is late.
    assert 10 < len(server.arrivals) == summary.tally.frames_answered <= 50
    # Whoever has nothing more to send stays connected to the end.
    assert summary.ending.seconds >= 0.5
    assert exit_code(summary) == 0


async def test_it_ends_by_itself_when_every_device_has_sent_the_recording() -> None:
    frames = read_recording(DRIVE).frames[:5]
    server = DeviceServer()
    recording = Recording(frames, 0)
    summary = await simulated(server, SimulationPlan(devices=7), recording)
    assert len(server.arrivals) == 7 * 5
    assert not summary.ending.gave_up
    assert exit_code(summary) == 0


async def test_what_is_in_hand_at_the_end_may_still_be_answered() -> None:
    async def late(arrival: Arrival) -> bytes:
        await trio.sleep(0.3)
        return await rightly(arrival)

    server = DeviceServer(late)
    summary = await simulated(server, SimulationPlan(devices=3, seconds=0.1))
    assert len(server.arrivals) == summary.tally.frames_answered == 3
    assert exit_code(summary) == 0


async def test_frames_left_without_an_answer_are_a_failure() -> None:
    plan = SimulationPlan(devices=3, seconds=0.1, response_timeout_s=0.1)
    summary = await simulated(DeviceServer(never), plan)
    assert summary.as_json()["frames_unanswered"] == 3
    assert exit_code(summary) == 1


async def test_a_server_that_answers_nothing_any_more_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "SILENCE_S_MAX", 1)
    recording = Recording(read_recording(DRIVE).frames[:5], 0)
    plan = SimulationPlan(devices=1, response_timeout_s=0.2)
    summary = await simulated(DeviceServer(never), plan, recording)
    assert summary.ending.gave_up
    assert exit_code(summary) == ExitCode.UNREACHABLE


async def test_wrong_answers_are_a_failure() -> None:
    async def wrong_at_first(arrival: Arrival) -> bytes:
        return b"\x00\x00\x00\xff" if len(server.arrivals) == 1 else arrival.answer

    server = DeviceServer(wrong_at_first)
    recording = Recording(read_recording(DRIVE).frames[:5], 0)
    summary = await simulated(server, SimulationPlan(devices=1), recording)
    assert summary.tally.frames_answered == 5
    assert "1 WRONG ANSWERS" in summary.as_text()
    assert exit_code(summary) == 1


async def test_an_unknown_host_is_an_error_of_one_line() -> None:
    with pytest.raises(EdgeError, match=r"^nowhere\.invalid:5027: "):
        await simulate(
            SimulationPlan(devices=1), None, Server("nowhere.invalid", 5027), Tally(), print
        )
