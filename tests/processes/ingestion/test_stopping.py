"""SIGTERM: not ready, nobody is let in, frames in hand are published and answered, and the rest is left unanswered."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import free_port
from tests.support.ingestion import entries, frozen, published
from tests.support.ingestion_frames import imei_of, tcp_frame
from tests.support.processes import until

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.ingestion import Device, Ingest

# The interpreter's own end on a busy machine.
EXIT_S = 1.0
# A device that does not close its side is waited for so long.
LINGER_S = 2.0
CROWD = 100
BUDGET_S = 1.5
BUDGET = {"DRAIN_BUDGET_MS": "1500"}


def test_idle_connections_are_closed_by_fin_one_after_the_other(ingest: Ingest) -> None:
    service = ingest().ready()
    with ExitStack() as open_ones, ThreadPoolExecutor(CROWD) as waiting:
        devices = [open_ones.enter_context(service.login(number)) for number in range(CROWD)]

        def closed_at(device: Device) -> float:
            assert device.socket.recv(1) == b""
            return time.monotonic()

        closing = [waiting.submit(closed_at, device) for device in devices]
        asked = time.monotonic()
        service.send()
        times = [each.result() - asked for each in closing]
    # 5 ms apart, and not all at once.
    assert max(times) - min(times) > CROWD * 0.005 * 0.8
    assert service.wait() == 0
    assert service.messages[-1] == "shutdown: clean exit"


def test_frames_in_hand_are_published_and_answered_before_their_connections_are_closed(
    ingest: Ingest, redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with ExitStack() as open_ones:
        devices = [open_ones.enter_context(service.login(number)) for number in range(10)]
        with frozen(redis_server):
            for device in devices:
                device.send(tcp_frame(0))
            service.until_metrics(publish_queue_depth=50)
            service.send()
            service.wait_for("shutdown: starting")
            status, body = service.readyz()
            assert (status, body["phase"]) == (503, "draining")
            with pytest.raises(ConnectionRefusedError):
                service.connect()
        for device in devices:
            assert device.answer() == 5
            assert device.until_closed() == b""
    assert service.wait() == 0
    assert redis_client.xlen(stream_name) == 50


def test_a_stop_under_load_answers_what_it_publishes(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    answered: set[tuple[str, int]] = set()

    def send(number: int) -> None:
        with service.login(number) as device:
            for frame in range(1_000_000):
                device.send(tcp_frame(frame, records=2))
                if len(device.receive(4)) < 4:
                    return
                answered.add((device.imei, frame))

    with ThreadPoolExecutor(20) as sending:
        ends = [sending.submit(send, number) for number in range(20)]
        until(lambda: len(answered) > 200, "answers")
        assert service.stop() == 0
        for end in ends:
            end.result()
    in_stream = {(imei, ts) for imei, ts in published(redis_client, stream_name)}
    # Nothing is twice: what was published was answered, as nobody was cut off.
    assert len(in_stream) == len(answered) * 2 == len(entries(redis_client, stream_name))


def test_a_stop_under_overflow_ends_within_the_budget_and_leaves_what_it_could_not_publish(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest(**BUDGET, PUBLISH_QUEUE_CAPACITY="10").ready()
    with ExitStack() as open_ones:
        devices = [open_ones.enter_context(service.login(number)) for number in range(10)]
        with frozen(redis_server):
            for device in devices:
                device.send(tcp_frame(0))
            service.until_metrics(publish_queue_depth=10, publish_overflow_total=8)
            asked = time.monotonic()
            assert service.stop() == 3
            assert BUDGET_S - 0.2 < time.monotonic() - asked < BUDGET_S + EXIT_S
            assert all(device.until_closed() == b"" for device in devices)
    last = service.lines[-1]
    assert last["msg"].startswith("shutdown: timed out waiting=10 dropped=0")
    assert last["level"] == "error"


def test_what_is_dropped_in_the_drain_counts_as_left(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest(DRAIN_BUDGET_MS="20000").ready()
    with service.login() as device, frozen(redis_server):
        device.send(tcp_frame(0))
        service.until_metrics(publish_queue_depth=5)
        asked = time.monotonic()
        assert service.stop() == 3
        # A server that says nothing for so long is given up, and the drain has nothing left to wait for.
        assert time.monotonic() - asked < 5.0 + LINGER_S + EXIT_S
        assert device.until_closed() == b""
    assert service.lines[-1]["msg"].startswith("shutdown: timed out waiting=0 dropped=1")


def test_a_stop_while_redis_is_away_and_nothing_is_accepted_is_a_clean_exit(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest().ready()
    with service.login() as device, frozen(redis_server):
        assert service.stop() == 0
        assert device.until_closed() == b""


def test_a_second_signal_ends_the_drain_at_once(ingest: Ingest, redis_server: RedisServer) -> None:
    service = ingest(DRAIN_BUDGET_MS="25000").ready()
    with service.login() as device, frozen(redis_server):
        device.send(tcp_frame(0))
        service.until_metrics(publish_queue_depth=5)
        service.send(SIGTERM)
        service.wait_for("shutdown: starting")
        asked = time.monotonic()
        assert service.stop(SIGINT) == 3
        assert time.monotonic() - asked < EXIT_S
        assert device.until_closed() == b""
    assert service.lines[-1]["waiting_records"] == 5


def test_an_announced_stop_is_not_ready_and_still_accepts_until_a_second_signal(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest(DRAIN_DELAY_MS="25000", SHUTDOWN_TIMEOUT_MS="9000").ready()
    service.send()
    service.wait_for("shutdown: announced")
    status, body = service.readyz()
    assert (status, list(body["reasons"])) == (503, ["phase"])
    with service.login() as device:
        assert device.ask(tcp_frame(0)) == 5
        asked = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - asked < EXIT_S + LINGER_S
        assert device.until_closed() == b""
    assert published(redis_client, stream_name)[0][0] == imei_of(1)


def test_the_delay_of_a_stop_ends_by_itself_and_the_budget_begins_then(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest(**BUDGET, DRAIN_DELAY_MS="1000").ready()
    with service.login() as device, frozen(redis_server):
        device.send(tcp_frame(0))
        service.until_metrics(publish_queue_depth=5)
        asked = time.monotonic()
        assert service.stop() == 3
        assert 1.0 + BUDGET_S - 0.2 < time.monotonic() - asked < 1.0 + BUDGET_S + EXIT_S


def test_a_half_frame_is_left_to_its_device(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with service.login() as device:
        device.send(tcp_frame(0)[:-1])
        with service.login(2) as other:
            assert other.ask(tcp_frame(0)) == 5
        assert service.stop() == 0
        assert device.until_closed() == b""
    assert {imei for imei, _ in published(redis_client, stream_name)} == {imei_of(2)}


def test_a_stop_before_it_is_ready_is_a_clean_exit_and_no_redis_at_the_start_exit_4(
    ingest: Ingest,
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    service = ingest(REDIS_URL=nobody, CONNECT_ATTEMPTS="1000")
    service.wait_for("Redis unreachable", count=2)
    assert service.stop() == 0
    service = ingest(REDIS_URL=nobody, CONNECT_ATTEMPTS="2", CONNECT_BACKOFF_MAX_MS="50")
    assert service.wait() == 4
