"""Builds the real edges from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processor.config import Config
from processor.edges.ports import PositionStore, PositionStream
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.edges.redis.names import StreamNames
from processor.edges.redis.stream import RedisPositionStream
from processor.journal.statistics import Build
from processor.watching.postgres_probe import PostgresProbe
from telemetry._codec import ReplyParser, __version__
from telemetry.chassis.redis.limits import RedisLimits

REDIS_LIMITS = RedisLimits()
WRITE_LIMITS = StoreLimits()
# The probe is to answer soon, and to hold nobody up when the process ends: its command is not worth cancelling.
PROBE_LIMITS = StoreLimits(connect_timeout_ms=3_000, write_timeout_ms=3_000, cancel_grace_ms=0)


@dataclass(frozen=True, slots=True)
class Edges:
    """The servers, as the tasks see them."""

    stream: PositionStream
    stores: Sequence[PositionStore]
    """One a writer."""
    probe: PostgresProbe
    """A session that asks whether PostgreSQL answers, and what the others wait for."""
    trials: PositionStore
    """A session that crash suspects are tried on; connected when there is one."""

    async def aclose(self) -> None:
        """Close every connection; never raises."""
        for store in (*self.stores, self.trials):
            await store.aclose()
        await self.probe.aclose()
        await self.stream.aclose()


def build_of(config: Config) -> Build:
    """What runs, and on what, for the metrics."""
    return Build(
        version=__version__,
        stream=config.redis_telemetry_stream,
        group=config.redis_consumer_group,
        consumer=config.redis_consumer_name,
    )


def real_edges(config: Config) -> Edges:
    """Redis and PostgreSQL as the environment names them; nothing is connected yet."""

    def new_parser() -> ReplyParser:
        return ReplyParser(
            payload_bytes_max=config.max_payload_bytes,
            past_days_max=config.ts_past_max_days,
            future_seconds_max=config.ts_future_max_s,
        )

    names = StreamNames(
        stream=config.redis_telemetry_stream,
        group=config.redis_consumer_group,
        consumer=config.redis_consumer_name,
        dead_letters=config.redis_dlq_stream,
    )
    stream = RedisPositionStream(
        config.redis_url,
        names,
        instance_id=config.instance_id,
        limits=REDIS_LIMITS,
        new_parser=new_parser,
    )
    url, instance_id = config.postgres_url.conninfo, config.instance_id
    probe = PostgresProbe(PostgresStore(url, instance_id=instance_id, limits=PROBE_LIMITS))

    def new_store() -> PostgresStore:
        return PostgresStore(url, instance_id=instance_id, limits=WRITE_LIMITS, observer=probe)

    stores = [new_store() for _ in range(config.writers)]
    trials = new_store()
    return Edges(stream=stream, stores=stores, probe=probe, trials=trials)
