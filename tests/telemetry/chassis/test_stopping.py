"""Stop requests, which the signals of a process make."""

from __future__ import annotations

import signal

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from telemetry.chassis.stopping import StopRequest, cancel_on


async def test_the_first_signal_requests_the_stop_and_the_second_insists(
    nursery: trio.Nursery,
) -> None:
    send, signals = trio.open_memory_channel[int](0)
    stop = StopRequest()
    nursery.start_soon(stop.listen, signals)
    assert not stop.requested.is_set()
    await send.send(signal.SIGINT)
    await wait_all_tasks_blocked()
    assert stop.requested.is_set()
    assert not stop.insisted.is_set()
    assert stop.signal_name == "SIGINT"
    await send.send(signal.SIGTERM)
    await wait_all_tasks_blocked()
    assert stop.insisted.is_set()
    assert stop.signal_name == "SIGINT"
    nursery.cancel_scope.cancel()


async def test_the_stop_is_requested_when_its_delay_is_over(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    send, signals = trio.open_memory_channel[int](0)
    requested_at_s: list[float] = []
    stop = StopRequest(
        on_request=lambda: requested_at_s.append(trio.current_time()), delay_ms=5_000
    )
    nursery.start_soon(stop.listen, signals)
    await trio.sleep(1)
    await send.send(signal.SIGTERM)
    await stop.announced.wait()
    assert not stop.requested.is_set()
    began_s = trio.current_time()
    await stop.requested.wait()
    assert trio.current_time() - began_s == 5
    assert requested_at_s == [trio.current_time()]
    await send.send(signal.SIGTERM)
    await stop.insisted.wait()
    assert len(requested_at_s) == 1
    nursery.cancel_scope.cancel()


async def test_a_second_signal_ends_the_delay_and_does_not_insist(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    send, signals = trio.open_memory_channel[int](0)
    requests: list[None] = []
    stop = StopRequest(on_request=lambda: requests.append(None), delay_ms=60_000)
    nursery.start_soon(stop.listen, signals)
    await send.send(signal.SIGTERM)
    await send.send(signal.SIGTERM)
    await stop.requested.wait()
    await trio.sleep(120)
    assert not stop.insisted.is_set()
    assert len(requests) == 1
    nursery.cancel_scope.cancel()


async def test_signals_that_end_are_a_mistake_of_the_program() -> None:
    send, signals = trio.open_memory_channel[int](0)
    send.close()
    with pytest.raises(AssertionError, match="does not end"):
        await StopRequest().listen(signals)


async def test_an_event_cancels_a_scope(nursery: trio.Nursery) -> None:
    event = trio.Event()
    with trio.CancelScope() as scope:
        nursery.start_soon(cancel_on, event, scope)
        event.set()
        await trio.sleep_forever()
    assert scope.cancelled_caught


def test_the_first_request_alone_calls_what_waits_for_it() -> None:
    called: list[str] = []
    stop = StopRequest(on_request=lambda: called.append("armed"))
    stop.receive("SIGTERM")
    stop.receive("SIGTERM")
    assert called == ["armed"]
