"""Redis away, frozen or refusing: nothing is answered, nobody is closed, and all get through afterwards."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from dev.servers.redis_users import INGESTION
from tests.support.ingestion import MARK_DEVICE, Device, Handset, frozen, iso_times, published
from tests.support.ingestion_frames import datagram, imei_of, tcp_frame, times_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.ingestion import Ingest, Ingestion

DEVICES = 5
NOT_READY_S_MAX = 5.0
# How long it may take on a busy machine until somebody has looked.
LOOK_S = 0.5

Trouble = "Callable[[RedisServer, Redis, str], AbstractContextManager[None]]"


@contextmanager
def away(server: RedisServer, _: Redis, __: str) -> Iterator[None]:
    server.process.kill()
    try:
        yield
    finally:
        server.process.start()


def standing_still(server: RedisServer, _: Redis, __: str) -> AbstractContextManager[None]:
    return frozen(server)


@contextmanager
def without_memory(_: RedisServer, redis: Redis, __: str) -> Iterator[None]:
    redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


@contextmanager
def without_rights(server: RedisServer, redis: Redis, _: str) -> Iterator[None]:
    with server.denials_intended():
        redis.acl_setuser(INGESTION, enabled=True, commands=["-xadd"])
        try:
            yield
        finally:
            redis.acl_setuser(INGESTION, enabled=True, commands=["+xadd"])


@contextmanager
def a_replica(_: RedisServer, redis: Redis, __: str) -> Iterator[None]:
    # Of a server that is not there: it refuses writes, and forgets nothing.
    redis.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        redis.replicaof("NO", "ONE")


@contextmanager
def another_type(_: RedisServer, redis: Redis, stream: str) -> Iterator[None]:
    redis.rename(stream, f"{stream}:aside")
    redis.set(stream, "no stream")
    yield
    redis.rename(f"{stream}:aside", stream)


def connected(service: Ingestion, open_ones: ExitStack) -> list[Device]:
    devices = [open_ones.enter_context(service.login(number)) for number in range(DEVICES)]
    for device in devices:
        assert device.ask(tcp_frame(0)) == 5
    return devices


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (away, "connection"),
        (standing_still, "connection"),
        (without_memory, "OOM"),
        (without_rights, "NOPERM"),
        (a_replica, "READONLY"),
        (another_type, "WRONGTYPE"),
    ],
)
def test_no_answer_while_it_lasts_and_all_get_through_afterwards(
    trouble: Callable[[RedisServer, Redis, str], AbstractContextManager[None]],
    code: str,
    ingest: Ingest,
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
) -> None:
    service = ingest(CONNECT_BACKOFF_MAX_MS="200").ready()
    with ExitStack() as open_ones:
        devices = connected(service, open_ones)
        with trouble(redis_server, redis_client, stream_name):
            asked = time.monotonic()
            for device in devices:
                device.send(tcp_frame(1))
            reason = service.until_not_ready("redis")
            assert time.monotonic() - asked < NOT_READY_S_MAX + LOOK_S
            assert reason
            # Each is dropped, and counted under what Redis said; what is behind it on a connection that leads
            # elsewhere goes with that.
            service.until_metrics(**{'frames_total{codec="8",result="unpublished"}': DEVICES})
            seen = service.until_metrics(publish_queue_depth=0, publish_queue_bytes=0)
            assert seen["connections_active"] == DEVICES
            assert seen[f'redis_errors_total{{code="{code}"}}'] >= 1
            assert seen["oldest_unanswered_seconds"] > 0
            assert not any(device.has_heard() for device in devices)
            assert seen['dependency_ready{dependency="redis"}'] == 0
            assert service.get("/healthz")[0] == 200
        # As devices do that have waited for too long.
        service.until_ready_again()
        for number, device in enumerate(devices):
            device.close()
            again = open_ones.enter_context(service.login(number))
            assert again.ask(tcp_frame(1)) == 5
        seen = service.until_metrics(connections_active=DEVICES, oldest_unanswered_seconds=0)
        assert seen['dependency_ready{dependency="redis"}'] == 1
    wanted = {(imei_of(n), ts) for n in range(DEVICES) for ts in iso_times(times_ms(1))}
    assert wanted <= set(published(redis_client, stream_name))


def test_a_device_that_waits_on_its_connection_sends_again_on_the_same_one(
    ingest: Ingest, redis_client: Redis, stream_name: str, redis_server: RedisServer
) -> None:
    service = ingest().ready()
    with service.login() as device:
        with without_memory(redis_server, redis_client, stream_name):
            device.send(tcp_frame(0))
            service.until_metrics(**{'redis_errors_total{code="OOM"}': 1})
        # One answer: the first transmission gets none, not even a late one.
        assert device.ask(tcp_frame(0)) == 5
        assert not device.has_heard()


def test_a_datagram_gets_no_answer_while_redis_refuses_or_from_a_device_that_is_refused(
    ingest: Ingest, redis_client: Redis, stream_name: str, redis_server: RedisServer
) -> None:
    redis_client.sadd(f"{stream_name}:devices", imei_of(1), imei_of(MARK_DEVICE))
    service = ingest(TELTONIKA_UDP_PORT="0", STRICT_DEVICE_AUTH="true").ready()
    with Handset(service.port_of("udp")) as handset:
        with without_memory(redis_server, redis_client, stream_name):
            handset.send(datagram(1, 0))
            service.until_metrics(**{'frames_total{codec="8",result="unpublished"}': 1})
        assert handset.asks_in_vain(datagram(2, 1))
        assert handset.ask(datagram(1, 2))[2:4] == (2).to_bytes(2)
    assert {imei for imei, _ in published(redis_client, stream_name)} == {
        imei_of(1),
        imei_of(MARK_DEVICE),
    }


def test_a_full_queue_drops_frames_unanswered_and_the_connections_stay(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest(PUBLISH_QUEUE_CAPACITY="7").ready()
    with ExitStack() as open_ones:
        devices = [open_ones.enter_context(service.login(number)) for number in range(DEVICES)]
        with frozen(redis_server):
            devices[0].send(tcp_frame(0))
            service.until_metrics(publish_queue_depth=5)
            for device in devices[1:]:
                device.send(tcp_frame(0))
            seen = service.until_metrics(publish_overflow_total=DEVICES - 1)
            assert seen["publish_queue_depth"] == 5
            assert seen["connections_active"] == DEVICES
            assert service.wait_for("publish queue is full")["level"] == "error"
        assert devices[0].answer() == 5
        for device in devices[1:]:
            assert not device.has_heard()
            assert device.ask(tcp_frame(0)) == 5


def test_a_frame_is_always_taken_when_nothing_else_waits(ingest: Ingest) -> None:
    service = ingest(PUBLISH_QUEUE_CAPACITY="2", PUBLISH_QUEUE_BYTES_MAX="100").ready()
    with service.login() as device:
        assert device.ask(tcp_frame(0, records=100)) == 100


def test_several_streams_have_a_publisher_each_and_a_device_is_always_in_one(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    streams = [f"{stream_name}:a", f"{stream_name}:b"]
    service = ingest(REDIS_TELEMETRY_STREAM=",".join(streams)).ready()
    for number in range(8):
        for frame in range(2):
            with service.login(number) as device:
                assert device.ask(tcp_frame(frame)) == 5
    found = [{imei for imei, _ in published(redis_client, stream)} for stream in streams]
    assert found[0].isdisjoint(found[1])
    assert found[0] | found[1] == {imei_of(number) for number in range(8)}
    assert all(found)
