"""The faults that the alerts are about, each made on real servers with instances of its own, and undone.

Most run at once, each in a thread: the fault is made, its alerts fire, it is undone, they resolve.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, TypeAlias

from dev.servers.ports import free_port
from tests.support.servers import drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.servers import RedisServer, Relay
    from tests.support.alerting import Instance, Stage

Fault: TypeAlias = "Callable[[Stage], None]"

LAG = 12_000
"""Beyond what the alert tolerates."""
# Claims only what was left for an hour: a fault decides when that is.
ONLY_ABANDONED = {"CLAIM_THRESHOLD_MS": "3600000", "CLAIM_INTERVAL_MS": "100"}
SMALL = {"BATCH_SIZE": "200", "WRITE_BATCH_SIZE": "400"}
RESTARTS = 3
PREFIXES = {"Processor": "processor", "Ingestion": "tcp-ingestion"}
"""Of the alerts of each job."""

SLOW_DOWN = (
    """CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$""",
    """CREATE TRIGGER slow_down AFTER INSERT ON positions
       FOR EACH STATEMENT EXECUTE FUNCTION slow_down()""",
)


def silent(stage: Stage) -> None:
    """A stream that was fed, and is not any more."""
    place = stage.place("silent")
    stage.start(place)
    place.publish(drive(1))
    began = time.monotonic()
    stage.fires("ProcessorSilent", began, stream=place.stream)
    over = time.monotonic()
    place.publish(drive(1, first_second=1))
    stage.resolves("ProcessorSilent", over, stream=place.stream)


def held_up(stage: Stage) -> None:
    """A COPY that waits for whoever holds the table, while more is published."""
    place = stage.place("held_up")
    instance = stage.start(place, **SMALL)

    def publish() -> None:
        place.grow(200)

    with place.inserts_held():
        began = time.monotonic()
        place.grow(LAG)
        stage.fires("ProcessorStalled", began, meanwhile=publish, instance=instance.address)
        stage.fires("ProcessorLagGrowing", began, meanwhile=publish, stream=place.stream)
    over = time.monotonic()
    stage.resolves("ProcessorStalled", over, instance=instance.address)
    stage.resolves("ProcessorLagGrowing", over, stream=place.stream)


def left_behind(stage: Stage) -> None:
    """Entries that a consumer left and nobody claims; trimmed ones; and some that are not Positions."""
    place = stage.place("left_behind")
    place.create_group()
    lost = place.publish_abandoned(drive(3))
    place.redis.xdel(place.stream, *lost)
    stuck = place.publish(drive(5, first_second=10))
    place.deliver_to("dead", len(stuck))
    began = time.monotonic()
    instance = stage.start(place, DLQ_MAX_ATTEMPTS="1", **ONLY_ABANDONED)
    place.publish([{**each, "payload": "no JSON"} for each in drive(2)])
    stage.fires("ProcessorEntriesLost", began, instance=instance.address)
    stage.fires("ProcessorDeadLetters", began, code="bad_json")
    # Both are over as soon as they have happened.
    stage.resolves("ProcessorEntriesLost", began, instance=instance.address)
    stage.resolves("ProcessorDeadLetters", began, code="bad_json")
    stage.fires("ProcessorStuckPending", began, stream=place.stream)
    over = time.monotonic()
    place.abandon("dead", stuck)
    stage.resolves("ProcessorStuckPending", over, stream=place.stream)


def servers_away(stage: Stage, own_redis: RedisServer, postgres_link: Relay) -> None:
    """A Redis that is stopped, and a PostgreSQL that refuses connections."""
    place = stage.place("servers_away")
    url = place.database.processor_url
    there = postgres_link.target_port
    instance = stage.start(
        place,
        REDIS_URL=own_redis.processor_url,
        POSTGRES_URL=url.replace(f":{there}/", f":{postgres_link.port}/"),
    )
    began = time.monotonic()
    postgres_link.target_port = free_port()
    postgres_link.cut()
    own_redis.process.stop()
    stage.fires("ProcessorPostgresAway", began, instance=instance.address)
    stage.fires("ProcessorRedisAway", began, instance=instance.address)
    over = time.monotonic()
    postgres_link.target_port = there
    own_redis.process.start()
    stage.resolves("ProcessorPostgresAway", over, instance=instance.address)
    stage.resolves("ProcessorRedisAway", over, instance=instance.address)


def slow_writes(stage: Stage) -> None:
    """A trigger that takes its time with each COPY."""
    place = stage.place("slow_writes")
    instance = stage.start(place)
    second = 0

    def publish() -> None:
        nonlocal second
        second += 1
        place.publish(drive(5, first_second=second))

    place.own(*SLOW_DOWN)
    began = time.monotonic()
    stage.fires("ProcessorWritesSlow", began, meanwhile=publish, instance=instance.address)
    place.own("DROP TRIGGER slow_down ON positions")
    over = time.monotonic()
    stage.resolves("ProcessorWritesSlow", over, meanwhile=publish, instance=instance.address)


def slow_stop(stage: Stage) -> None:
    """A stop while a COPY waits: the drain ends undecided."""
    place = stage.place("slow_stop")
    instance = stage.start(place)
    with place.inserts_held():
        place.publish(drive(10))
        place.until_writers_wait()
        stage.until_scraped(instance)
        began = time.monotonic()
        instance.service.send(signal.SIGTERM)
        stage.fires("ProcessorNotDraining", began, instance=instance.address)
        assert instance.service.wait() == 3
        over = time.monotonic()
        stage.resolves("ProcessorNotDraining", over, instance=instance.address)


def crashing(stage: Stage) -> None:
    """An instance that is killed again and again, and then stays away while others work."""
    crash_again_and_again(stage, stage.start(stage.place("crashing")), "Processor")


def crash_again_and_again(stage: Stage, instance: Instance, prefix: str) -> None:
    """The same for an instance of either service, whose alerts begin with `prefix`."""
    stage.until_scraped(instance)
    began = time.monotonic()
    for _ in range(RESTARTS):
        instance.service.kill()
        stage.start_again(instance)
        stage.until_scraped(instance)
    over = time.monotonic()
    stage.fires(f"{prefix}CrashLoop", began, instance=instance.address)
    instance.service.kill()
    gone = time.monotonic()
    stage.fires(f"{prefix}InstanceGone", gone, instance=instance.address)
    stage.resolves(f"{prefix}CrashLoop", over, instance=instance.address)
    over = time.monotonic()
    stage.start_again(instance)
    stage.resolves(f"{prefix}InstanceGone", over, instance=instance.address)


def no_instance(stage: Stage) -> None:
    """All instances of both services are stopped; this fault comes last, by itself."""
    for instance in stage.instances:
        if instance.service.process.poll() is None:
            instance.service.send(signal.SIGTERM)
    for instance in stage.instances:
        instance.service.wait()
    began = time.monotonic()
    for prefix, job in PREFIXES.items():
        stage.fires(f"{prefix}NoInstance", began, job=job)
    over = time.monotonic()
    for job in PREFIXES.values():
        stage.start_again(next(each for each in stage.instances if each.job == job))
    for prefix, job in PREFIXES.items():
        stage.resolves(f"{prefix}NoInstance", over, job=job)


ALONE: tuple[Fault, ...] = (
    silent,
    held_up,
    left_behind,
    slow_writes,
    slow_stop,
    crashing,
)
"""Faults that need nothing but the stage."""
