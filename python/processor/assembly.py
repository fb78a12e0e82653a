"""Builds the real edges from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processor._codec import ReplyParser
from processor.config import Config
from processor.edges.ports import PositionStore, PositionStream
from processor.edges.postgres.store import PostgresStore
from processor.edges.redis.stream import RedisPositionStream, StreamNames


@dataclass(frozen=True, slots=True)
class Edges:
    """The servers, as the tasks see them."""

    stream: PositionStream
    stores: Sequence[PositionStore]
    """One a writer."""

    async def aclose(self) -> None:
        """Close every connection; never raises."""
        for store in self.stores:
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
    )
    stream = RedisPositionStream(
        config.redis_url, names, instance_id=config.instance_id, new_parser=new_parser
    )
    stores = [
        PostgresStore(config.postgres_url.conninfo, instance_id=config.instance_id)
        for _ in range(config.writers)
    ]
    return Edges(stream=stream, stores=stores)
