"""Builds the real edges from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processor._codec import ReplyParser
from processor.config import Config
from processor.edges.ports import PositionStore, PositionStream
from processor.edges.postgres.store import PostgresStore, StoreLimits
from processor.edges.redis.names import StreamNames
from processor.edges.redis.stream import RedisPositionStream

# The probe is to tell soon, and to hold nobody up when the process ends: its command is not worth cancelling.
PROBE_LIMITS = StoreLimits(connect_timeout_ms=3_000, write_timeout_ms=3_000, cancel_grace_ms=0)


@dataclass(frozen=True, slots=True)
class Edges:
    """The servers, as the tasks see them."""

    stream: PositionStream
    stores: Sequence[PositionStore]
    """One a writer."""
    probe: PositionStore
    """A session that asks whether PostgreSQL answers."""
    trials: PositionStore
    """A session that crash suspects are tried on; connected when there is one."""

    async def aclose(self) -> None:
        """Close every connection; never raises."""
        for store in (*self.stores, self.probe, self.trials):
            await store.aclose()
        await self.stream.aclose()


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
        config.redis_url, names, instance_id=config.instance_id, new_parser=new_parser
    )
    url, instance_id = config.postgres_url.conninfo, config.instance_id
    stores = [PostgresStore(url, instance_id=instance_id) for _ in range(config.writers)]
    probe = PostgresStore(url, instance_id=instance_id, limits=PROBE_LIMITS)
    trials = PostgresStore(url, instance_id=instance_id)
    return Edges(stream=stream, stores=stores, probe=probe, trials=trials)
