"""The servers, as the tasks see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processor.edges.ports import PositionStore, PositionStream
from processor.watching.postgres_probe import PostgresProbe
from telemetry.chassis.redis.subscription import SubscriptionOptions


@dataclass(frozen=True, slots=True)
class Edges:
    """A connection to Redis, and the sessions with PostgreSQL; nothing is connected yet."""

    stream: PositionStream
    stores: Sequence[PositionStore]
    """One for each writer."""
    probe: PostgresProbe
    """A session that asks whether PostgreSQL answers, and what the others wait for."""
    trials: PositionStore
    """The session of suspect trials; connected while there are suspects."""
    requests: SubscriptionOptions | None = None
    """The channel of operators' requests, over a connection of its own; None: nobody can ask."""

    async def aclose(self) -> None:
        """Close every connection; never raises."""
        for store in (*self.stores, self.trials):
            await store.aclose()
        await self.probe.aclose()
        await self.stream.aclose()
