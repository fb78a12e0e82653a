"""What `status` knows of a moment; None stands for what could not be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from processor.operating.consumers import Consumer
from processor.operating.queue import Queue
from telemetry.chassis.operating.instances import Instance


@dataclass(frozen=True, slots=True)
class Stuck:
    """A pending entry that nobody claims."""

    entry_id: str
    consumer: str
    left_for_ms: int
    """How long it has been left alone, or since it was released."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The stream of dead letters."""

    count: int
    by_code: Mapping[str, int]
    """Of the newest ones, as many as are looked at."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis and the running instances say. Each part is asked only if the one before was answered."""

    error: str | None = None
    """Why something could not be asked."""
    queue: Queue | None = None
    dead_letters: DeadLetters | None = None
    stuck: Stuck | None = None
    instances: Sequence[Instance] | None = None
    consumers: Sequence[Consumer] = ()


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What PostgreSQL says of the table."""

    error: str | None = None
    """Why it could not be asked."""
    differences: Sequence[str] = ()
    """From the contract; empty if the service can write."""
    newest_ts: datetime | None = None
    """Of the rows that are not faulty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Of what the facts are."""

    stream: str
    group: str
    dead_letters: str
    control_channel: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All of it."""

    names: Names
    redis: RedisFacts = field(default_factory=RedisFacts)
    table: TableFacts = field(default_factory=TableFacts)
