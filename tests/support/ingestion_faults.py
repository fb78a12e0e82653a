"""The faults that tcp-ingestion's alerts are about, each made on real servers and sockets, and undone."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis import Redis

from tests.support.alert_faults import crash_again_and_again
from tests.support.ingestion import Ingestion
from tests.support.processes import until
from tests.support.resending_device import ResendingDevice, of_one, undecodable, unknown_codecs
from tests.support.vectors import GOOD, WRONG_CRC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.servers import RedisServer, Relay
    from tests.support.alert_faults import Fault
    from tests.support.alerting import Instance, Stage

# Room for one frame.
NARROW = {"PUBLISH_QUEUE_CAPACITY": "1"}
BUDGET_MS = "4000"


@contextmanager
def devices_of(instance: Instance, *frames: Callable[[], bytes]) -> Iterator[Callable[[], None]]:
    """A device for each of these; what is yielded lets all of them live for a moment."""
    assert isinstance(instance.service, Ingestion)
    devices = [
        ResendingDevice(instance.service, number, each) for number, each in enumerate(frames)
    ]

    def live() -> None:
        for each in devices:
            each.live()

    try:
        yield live
    finally:
        for each in devices:
            each.close()


def bad_frames(stage: Stage) -> None:
    """Devices that send a codec that is not known, wrong CRCs, and a frame that cannot be decoded."""
    instance = stage.start_ingestion("bad_frames")
    with devices_of(instance, unknown_codecs(), of_one(WRONG_CRC), undecodable()) as live:
        began = time.monotonic()
        stage.fires("IngestionQuarantined", began, meanwhile=live, instance=instance.address)
        stage.fires("IngestionUnknownCodec", began, meanwhile=live, codec="other")
        stage.fires("IngestionCrcFailures", began, meanwhile=live, job="tcp-ingestion")
    over = time.monotonic()
    stage.resolves("IngestionUnknownCodec", over, codec="other")
    stage.resolves("IngestionCrcFailures", over, job="tcp-ingestion")
    stage.resolves("IngestionQuarantined", over, instance=instance.address)


def without_devices(stage: Stage) -> None:
    """An instance to which no device connects, while others have some."""
    instance = stage.start_ingestion("without_devices")
    busy = stage.start_ingestion("with_devices")
    began = time.monotonic()
    with devices_of(busy, of_one(GOOD)) as live:
        stage.fires("IngestionNoConnections", began, meanwhile=live, instance=instance.address)
        over = time.monotonic()
        with devices_of(instance, of_one(GOOD)) as there:
            stage.resolves(
                "IngestionNoConnections", over, meanwhile=there, instance=instance.address
            )


def refused(stage: Stage, own_redis: RedisServer) -> None:
    """A Redis whose memory is full."""
    instance = stage.start_ingestion("refused", REDIS_URL=own_redis.ingestion_url)
    about = {"instance": instance.address, "code": "OOM"}
    with (
        devices_of(instance, of_one(GOOD), of_one(GOOD)) as live,
        Redis.from_url(own_redis.admin_url) as admin,
    ):
        began = time.monotonic()
        admin.config_set("maxmemory", 1)
        stage.fires("IngestionRedisRefuses", began, meanwhile=live, **about)
        over = time.monotonic()
        admin.config_set("maxmemory", 0)
        stage.resolves("IngestionRedisRefuses", over, meanwhile=live, **about)


def cut_off(stage: Stage, redis_link: Relay) -> None:
    """A link to Redis on which nothing moves any more; and, while that is so, a stop."""
    url = stage.redis_server.ingestion_url
    link = url.replace(f":{redis_link.target_port}/", f":{redis_link.port}/")
    instance = stage.start_ingestion("cut_off", REDIS_URL=link, DRAIN_BUDGET_MS=BUDGET_MS, **NARROW)
    alerts = ("Unanswered", "Overflow", "RedisAway", "Stalled")
    with devices_of(instance, of_one(GOOD)) as live:
        began = time.monotonic()
        redis_link.frozen = True
        # The frame of one is all that there is room for.
        with devices_of(instance, of_one(GOOD), of_one(GOOD)) as others:
            for alert in alerts:
                stage.fires(f"Ingestion{alert}", began, meanwhile=others, instance=instance.address)
        over = time.monotonic()
        redis_link.frozen = False
        for alert in alerts:
            stage.resolves(f"Ingestion{alert}", over, meanwhile=live, instance=instance.address)
        redis_link.frozen = True
        until_a_frame_waits(instance, live)
        began = time.monotonic()
        instance.service.send(signal.SIGTERM)
        stage.fires("IngestionNotDraining", began, instance=instance.address)
        assert instance.service.wait() == 3
    over = time.monotonic()
    redis_link.frozen = False
    stage.resolves("IngestionNotDraining", over, instance=instance.address)


def until_a_frame_waits(instance: Instance, live: Callable[[], None]) -> None:
    """Return when Redis has not confirmed something that was accepted."""

    def waits() -> bool:
        live()
        return "\nteltonika_publish_queue_depth 0.0" not in instance.service.get("/metrics")[1]

    until(waits, "a frame waits for Redis")


def crashing(stage: Stage) -> None:
    """An instance that is killed again and again, and then stays away while others work."""
    crash_again_and_again(stage, stage.start_ingestion("crashing"), "Ingestion")


ALONE: tuple[Fault, ...] = (bad_frames, without_devices, crashing)
"""Faults that need nothing but the stage."""
INSTANCES = 6
"""How many they and the others start."""
