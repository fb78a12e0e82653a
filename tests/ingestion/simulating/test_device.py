from __future__ import annotations

import json
from io import StringIO
from itertools import groupby
from random import Random

import pytest
import trio

from ingestion.simulating.device import Device, Dialler
from ingestion.simulating.frames import GeneratedFrames, OutgoingFrame, imei_of
from ingestion.simulating.link import LinkLost, NobodyListens, resolve
from ingestion.simulating.plan import SimulationPlan
from ingestion.simulating.tally import RecordLog, Tally
from telemetry.stream.avl_frames import published_times
from tests.ingestion.simulating.server import HOST, Arrival, DeviceServer, rightly

FRAMES = 8
PATIENCE_S = 10.0
QUICK_S = 0.05
PLAN = SimulationPlan(devices=1, response_timeout_s=5.0)
HASTY = SimulationPlan(devices=1, response_timeout_s=QUICK_S)


class SomeFrames:
    """So many generated frames."""

    def __init__(self, count: int = FRAMES) -> None:
        source = GeneratedFrames(0, Random(7), lambda: 1_777_627_800_000)
        self.all = [source.next_frame() for _ in range(count)]
        self._sent = 0

    @property
    def is_through(self) -> bool:
        return self._sent == len(self.all)

    def next_frame(self) -> OutgoingFrame:
        self._sent += 1
        return self.all[self._sent - 1]


async def play(
    server: DeviceServer, plan: SimulationPlan = PLAN, frames: SomeFrames | None = None
) -> tuple[Tally, list[bytes]]:
    """Play one device to its last frame; the tally, and the frames that it had to send."""
    frames = frames or SomeFrames()
    tally = Tally(RecordLog(StringIO()), RecordLog(StringIO()))
    device = Device(0, frames, plan, tally, Random(1))
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            dialler = Dialler(
                await resolve(HOST, server.port), at_once_max=1, within_s=plan.response_timeout_s
            )
            await device.play(dialler, trio.current_time())
            nursery.cancel_scope.cancel()
    return tally, [frame.data for frame in frames.all]


def received(server: DeviceServer) -> list[bytes]:
    """Each sound frame once, where a repeat comes right behind it."""
    return [frame for frame, _ in groupby(each.frame for each in server.arrivals if each.is_sound)]


async def test_a_device_logs_in_and_has_one_frame_in_flight() -> None:
    server = DeviceServer()
    tally, frames = await play(server)
    assert server.logins == [imei_of(0)]
    assert [each.frame for each in server.arrivals] == frames
    assert server.sent_early == 0
    assert tally.frames_sent == tally.frames_answered == FRAMES
    assert tally.records_answered == sum(each.records for each in server.arrivals)
    assert tally.frames_resent == tally.links_lost == tally.timeouts == tally.wrong_answers == 0


async def test_another_number_brings_the_same_frame_again_on_the_same_link() -> None:
    async def one_too_few_at_first(arrival: Arrival) -> bytes:
        first = len(server.arrivals) == 1
        return (arrival.records - 1).to_bytes(4) if first else arrival.answer

    server = DeviceServer(one_too_few_at_first)
    tally, frames = await play(server)
    assert [each.frame for each in server.arrivals] == [frames[0], *frames]
    assert len(server.logins) == 1
    assert tally.wrong_answers == tally.frames_resent == 1
    assert tally.frames_answered == FRAMES


async def test_no_answer_in_time_brings_the_same_frame_again_over_a_new_link() -> None:
    async def silent_at_first(arrival: Arrival) -> bytes:
        return b"" if len(server.arrivals) == 1 else arrival.answer

    server = DeviceServer(silent_at_first)
    tally, frames = await play(server, HASTY)
    assert [each.connection for each in server.arrivals] == [0] + [1] * FRAMES
    assert [each.frame for each in server.arrivals] == [frames[0], *frames]
    assert (tally.timeouts, tally.frames_resent, tally.connections) == (1, 1, 2)
    assert tally.wrong_answers == 0


async def test_an_answer_that_comes_too_late_answers_no_other_frame() -> None:
    """It comes on the link that was closed: the frame is sent until its own answer is there."""

    async def too_late_at_first(arrival: Arrival) -> bytes:
        if len(server.arrivals) == 1:
            await again.wait()
        else:
            again.set()
        return arrival.answer

    again = trio.Event()
    server = DeviceServer(too_late_at_first)
    tally, frames = await play(server, HASTY)
    assert received(server) == frames
    assert len(server.arrivals) == FRAMES + 1
    assert tally.frames_answered == FRAMES


async def test_an_answer_too_many_is_not_taken_for_the_next_frames() -> None:
    async def twice_at_first(arrival: Arrival) -> bytes:
        return arrival.answer * (2 if len(server.arrivals) == 1 else 1)

    server = DeviceServer(twice_at_first)
    tally, frames = await play(server)
    # Whether the second answer came with the first one or after it, the link is given up.
    assert {each.connection for each in server.arrivals} == {0, 1}
    assert received(server) == frames
    assert tally.wrong_answers == 1
    assert tally.frames_answered == FRAMES


async def test_what_comes_unasked_while_nothing_is_due_ends_the_link() -> None:
    server = DeviceServer(unasked=b"\0\0\0\x05")
    plan = SimulationPlan(devices=1, rate=4)
    tally, frames = await play(server, plan, SomeFrames(2))
    assert received(server) == frames
    assert tally.wrong_answers == 1
    assert len(server.logins) == 2


async def test_a_link_that_the_server_closes_is_made_again() -> None:
    async def close_every_third(arrival: Arrival) -> bytes | None:
        return None if len(server.arrivals) % 3 == 0 else arrival.answer

    server = DeviceServer(close_every_third)
    tally, frames = await play(server)
    assert received(server) == frames
    assert tally.links_lost == tally.frames_resent == len(server.logins) - 1 > 0
    assert tally.frames_answered == FRAMES


async def test_a_refused_login_is_tried_again() -> None:
    server = DeviceServer(admits=lambda _: b"\x00" if len(server.logins) < 3 else b"\x01")
    tally, frames = await play(server)
    assert (tally.refused, tally.connections) == (2, 1)
    assert received(server) == frames


async def test_damaged_frames_are_sent_again_over_a_new_link_and_sound() -> None:
    server = DeviceServer()
    plan = SimulationPlan(devices=1, bad_share=0.3, response_timeout_s=QUICK_S)
    tally, frames = await play(server, plan)
    damaged = [each for each in server.arrivals if not each.is_sound]
    assert damaged
    assert received(server) == frames
    assert tally.timeouts == tally.frames_resent == len(damaged)
    assert tally.frames_answered == FRAMES


async def test_an_answer_to_a_damaged_frame_is_wrong() -> None:
    async def to_all(arrival: Arrival) -> bytes:
        return arrival.answer

    server = DeviceServer(to_all)
    tally, frames = await play(server, SimulationPlan(devices=1, bad_share=0.3))
    damaged = [each for each in server.arrivals if not each.is_sound]
    assert tally.wrong_answers == len(damaged) > 0
    assert received(server) == frames


async def test_repeats_of_answered_frames_count_once() -> None:
    server = DeviceServer()
    tally, frames = await play(server, SimulationPlan(devices=1, resend_share=1))
    assert [each.frame for each in server.arrivals] == [frame for frame in frames for _ in range(2)]
    assert (tally.frames_answered, tally.frames_resent) == (FRAMES, FRAMES)
    assert tally.records_answered == sum(frame[9] for frame in frames)


async def test_a_device_comes_and_goes() -> None:
    server = DeviceServer()
    tally, frames = await play(server, SimulationPlan(devices=1, reconnect_share=1))
    assert [each.connection for each in server.arrivals] == list(range(FRAMES))
    assert received(server) == frames
    assert tally.frames_resent == tally.links_lost == 0


async def test_a_device_with_nothing_to_send_sends_pings() -> None:
    server = DeviceServer()
    plan = SimulationPlan(devices=1, rate=5, ping_after_s=QUICK_S)
    tally, frames = await play(server, plan, SomeFrames(2))
    assert received(server) == frames
    # One every 0.05 s, but for the last 0.05 s before the second frame is due; a busy machine sends fewer.
    assert 1 <= server.pings <= 3
    assert tally.connections == 1


async def test_an_answer_is_measured_from_when_its_frame_was_due() -> None:
    """The second frame is due while the first one waits."""
    held_s = 0.3

    async def late_at_first(arrival: Arrival) -> bytes:
        if len(server.arrivals) == 1:
            await trio.sleep(held_s)
        return arrival.answer

    server = DeviceServer(late_at_first)
    tally, _ = await play(server, SimulationPlan(devices=1, rate=10), SomeFrames(2))
    least_ms = tally.answer_times.percentile_ms(1)
    assert least_ms is not None
    assert least_ms > 150


async def test_the_files_name_records_before_they_are_sent_and_once_they_are_answered() -> None:
    sent, answered = StringIO(), StringIO()
    log_at_arrival = []

    async def never_the_last_one(arrival: Arrival) -> bytes:
        log_at_arrival.append(sent.getvalue())
        if arrival.frame != frames.all[-1].data:
            return await rightly(arrival)
        last_came.set()
        return b""

    frames, last_came = SomeFrames(), trio.Event()
    server = DeviceServer(never_the_last_one)
    tally = Tally(RecordLog(sent), RecordLog(answered))
    device = Device(0, frames, PLAN, tally, Random(1))
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            dialler = Dialler(await resolve(HOST, server.port), at_once_max=1, within_s=1)
            nursery.start_soon(device.play, dialler, trio.current_time())
            await last_came.wait()
            nursery.cancel_scope.cancel()
    times = [published_times(frame.data, imei_of(0)) for frame in frames.all]

    def lines(texts: list[list[str]]) -> list[dict[str, str]]:
        return [{"device_id": imei_of(0), "ts": ts} for each in texts for ts in each]

    def written(text: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in text.splitlines()]

    assert [written(text) for text in log_at_arrival] == [
        lines(times[: number + 1]) for number in range(FRAMES)
    ]
    assert written(answered.getvalue()) == lines(times[:-1])
    assert tally.frames_in_hand == 1


async def test_nobody_listens() -> None:
    async with trio.open_nursery() as nursery:
        server = DeviceServer()
        await nursery.start(server.serve)
        nursery.cancel_scope.cancel()
    device = Device(0, SomeFrames(), PLAN, Tally(), Random(1))
    dialler = Dialler(await resolve(HOST, server.port), at_once_max=1, within_s=1)
    with pytest.raises(NobodyListens, match="Connection refused"):
        await device.dial(dialler)


async def test_a_login_without_an_answer_is_given_up() -> None:
    server = DeviceServer(admits=lambda _: b"")
    device = Device(0, SomeFrames(), HASTY, tally := Tally(), Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        dialler = Dialler(await resolve(HOST, server.port), at_once_max=1, within_s=1)
        with pytest.raises(LinkLost):
            await device.dial(dialler)
        nursery.cancel_scope.cancel()
    assert (tally.refused, tally.connections) == (0, 0)
