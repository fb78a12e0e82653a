"""The two servers as a test sees them: what is published, what is pending, which rows are there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

from tests.support.batches import position
from tests.support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from redis import Redis
    from redis.typing import EncodableT, FieldT

    from dev.servers import Database

GROUP = "processor"
# More entries to a pipeline gain nothing.
PIPELINE_ENTRIES = 5_000
PENDING_MAX = 20_000
# Longer than any test: whoever holds something up lets it go.
PAUSE_MS = 600_000
ABANDONED_MS = 3_600_000

# Redis makes entries faster than it can be sent them: one device, every microsecond one position.
GROW = """
local first = redis.call('XLEN', KEYS[1])
for n = first, first + ARGV[1] - 1 do
    local ts = string.format('2026-05-01T11:00:00.%06dZ', n)
    redis.call('XADD', KEYS[1], '*', 'codec', '8E', 'ts', ts, 'device_id', ARGV[2],
               'payload', (string.gsub(ARGV[3], 'TIMESTAMP', ts)))
end
"""

# Waits, before the first row, for whoever holds the advisory lock.
HOLD_INSERTS = (
    """CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$""",
    """CREATE OR REPLACE TRIGGER hold BEFORE INSERT ON positions
       FOR EACH STATEMENT EXECUTE FUNCTION hold()""",
)

Fields: TypeAlias = "dict[FieldT, EncodableT]"


def entry(device: int, second: int, **changes: Any) -> Fields:
    """The fields that tcp-ingestion publishes for a Position; `changes` are of the Position."""
    value = position(device, second, **changes)
    return {
        "ts": value["timestamp"],
        "device_id": value["device_id"],
        "codec": "8E",
        "payload": json.dumps(value),
    }


def drive(entries: int, *, devices: int = 10, first_second: int = 0) -> list[Fields]:
    """Entries that make as many distinct rows, of `devices` devices in turn."""
    return [entry(n % devices, first_second + n // devices) for n in range(entries)]


@dataclass(frozen=True)
class Pending:
    """A pending entry as XPENDING lists it."""

    consumer: str
    idle_ms: int
    deliveries: int


@dataclass(frozen=True)
class Servers:
    """A stream and a table of the test's own."""

    redis: Redis
    stream: str
    database: Database

    def publish(self, entries: Sequence[Fields]) -> list[str]:
        """Append entries in order; their ids."""
        ids: list[bytes] = []
        for start in range(0, len(entries), PIPELINE_ENTRIES):
            with self.redis.pipeline(transaction=False) as pipeline:
                for fields in entries[start : start + PIPELINE_ENTRIES]:
                    pipeline.xadd(self.stream, fields)
                ids += pipeline.execute()
        return [entry_id.decode() for entry_id in ids]

    def publish_at_once(self, entries: Sequence[Fields]) -> list[str]:
        """Append entries so that one read delivers all of them."""
        with self.redis.pipeline(transaction=True) as pipeline:
            for fields in entries:
                pipeline.xadd(self.stream, fields)
            return [entry_id.decode() for entry_id in pipeline.execute()]

    def grow(self, entries: int) -> None:
        """Append this number of entries of distinct rows, by the server itself."""
        model = entry(1, 0, timestamp="TIMESTAMP")
        self.redis.eval(GROW, 1, self.stream, entries, model["device_id"], model["payload"])

    def create_group(self) -> None:
        """Make the group, as a life of the processor before this one did."""
        self.redis.xgroup_create(self.stream, GROUP, id="0", mkstream=True)

    def pending(self) -> int:
        """Entries delivered and not acknowledged."""
        return int(self.redis.xpending(self.stream, GROUP)["pending"])

    def pending_entries(self) -> dict[str, Pending]:
        """What XPENDING says of each pending entry, the oldest first."""
        found: Any = self.redis.xpending_range(self.stream, GROUP, "-", "+", PENDING_MAX)
        return {
            each["message_id"].decode(): Pending(
                each["consumer"].decode(), each["time_since_delivered"], each["times_delivered"]
            )
            for each in found
        }

    def pending_ids(self) -> list[str]:
        """Their ids, the oldest first."""
        return list(self.pending_entries())

    def deliver_to(self, consumer: str, count: int) -> None:
        """Have another consumer read the next entries, and do nothing with them."""
        self.redis.xreadgroup(GROUP, consumer, {self.stream: ">"}, count=count)

    def publish_abandoned(
        self, entries: Sequence[Fields], *, deliveries: int = 1, consumer: str = "dead"
    ) -> list[str]:
        """Append entries that `consumer` was given so often, and left an hour ago; their ids.

        In one step: no processor is given any of them as new.
        """
        # Ids of the next millisecond are greater than those there are.
        next_ms = self.redis.time()[0] * 1_000 + self.redis.time()[1] // 1_000 + 1
        ids = [f"{next_ms}-{number}" for number in range(len(entries))]
        with self.redis.pipeline(transaction=True) as pipeline:
            for entry_id, fields in zip(ids, entries, strict=True):
                pipeline.xadd(self.stream, fields, id=entry_id)
            pipeline.xreadgroup(GROUP, consumer, {self.stream: ">"}, count=len(entries))
            self._abandon(pipeline, consumer, ids, deliveries)
            pipeline.execute()
        return ids

    def abandon(self, consumer: str, ids: Sequence[str], *, deliveries: int = 1) -> None:
        """Make pending entries look as if `consumer` had left them an hour ago."""
        self._abandon(self.redis, consumer, ids, deliveries)

    def _abandon(self, client: Redis, consumer: str, ids: Sequence[str], deliveries: int) -> None:
        client.xclaim(
            self.stream,
            GROUP,
            consumer,
            0,
            list(ids),
            idle=ABANDONED_MS,
            retrycount=deliveries,
            justid=True,
        )

    def dead_letters(self) -> list[dict[bytes, bytes]]:
        """The fields of each dead letter, the oldest first."""
        letters: Any = self.redis.xrange(f"{self.stream}:dlq")
        return [fields for _, fields in letters]

    def attempts(self) -> dict[str, dict[str, Any]]:
        """The recorded failures by entry id."""
        found: Any = self.redis.hgetall(f"{self.stream}:{GROUP}:attempts")
        return {entry_id.decode(): json.loads(value) for entry_id, value in found.items()}

    def assert_promise_kept(self, *, rows: int, poison: Iterable[str] = ()) -> None:
        """Each key is a row, each poisonous entry a dead letter, and nothing else is left anywhere."""
        assert self.rows() == rows
        assert self.pending() == 0
        letters = [letter[b"dlq_source_id"].decode() for letter in self.dead_letters()]
        assert sorted(letters) == sorted(poison)
        assert self.attempts() == {}

    def calls(self, *commands: str) -> int:
        """How often the server has executed these commands, in scripts too."""
        statistics: Any = self.redis.info("commandstats")
        return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in commands)

    def until_claim_passes(self, count: int) -> None:
        """Wait until processors have looked for abandoned entries that often from now on."""
        before = self.calls("xautoclaim")
        until(lambda: self.calls("xautoclaim") >= before + count, f"{count} claim passes")

    @contextmanager
    def writes_held(self) -> Iterator[None]:
        """Have Redis take commands that write, and not execute them before the end of the block.

        Those of a client that is gone by then are never executed: see `until_disconnected`.
        """
        self.redis.client_pause(PAUSE_MS, all=False)
        try:
            yield
        finally:
            self.redis.client_unpause()

    def until_script_held(self) -> None:
        """Wait until the processor's control connection waits for a script that is not executed."""
        until(
            lambda: any(
                client["name"].endswith(":control")
                and client["cmd"].startswith("eval")
                and "b" in client["flags"]
                for client in self.redis.client_list()
            ),
            "a script has arrived",
        )

    def until_disconnected(self) -> None:
        """Wait until Redis has noticed that no processor is connected."""
        until(lambda: not self.connections(), "no processor is connected")

    @contextmanager
    def table_locked(self) -> Iterator[None]:
        """Have writers of the table wait, a start of the service too, but readers not, until the end.

        A COPY waits before it asks for its rows.
        """
        with psycopg.connect(self.database.admin_url) as owner:
            owner.execute("LOCK TABLE positions IN SHARE MODE")
            yield

    @contextmanager
    def inserts_held(self) -> Iterator[None]:
        """Have each write of rows wait until the end; a COPY has taken its rows by then."""
        self.own(*HOLD_INSERTS)
        with psycopg.connect(self.database.admin_url) as owner:
            owner.execute("SELECT pg_advisory_xact_lock(1)")
            yield

    def end_sessions(self) -> None:
        """End the processor's sessions, as if the machine that it ran on were gone."""
        for pid in self.sessions_of_the_processor():
            self.own(f"SELECT pg_terminate_backend({pid})")
        until(lambda: not self.sessions_of_the_processor(), "the sessions have ended")

    def end_writer(self) -> None:
        """End the processor's sessions that wait for a lock, as a failover does."""
        self.own(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'processor'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        )

    def until_writers_wait(self, count: int = 1, *, by: str = "processor") -> None:
        """Wait until `count` sessions of a role wait for a lock."""
        with self.owner() as owner:
            until(lambda: _waiting(owner, by) >= count, f"{count} sessions wait for a lock")

    def undelivered(self) -> int | None:
        """Entries that the group has not been given yet."""
        [group] = self.redis.xinfo_groups(self.stream)
        lag: int | None = group["lag"]
        return lag

    def until_settled(self) -> None:
        """Wait until every entry was delivered and none is pending."""
        until(lambda: self.undelivered() == 0 and self.pending() == 0, "everything is settled")

    def until_pending(self, ids: Iterable[str]) -> None:
        """Wait until all was delivered and exactly these are pending."""
        wanted = sorted(ids)
        until(
            lambda: self.undelivered() == 0 and sorted(self.pending_ids()) == wanted,
            f"{len(wanted)} pending",
        )

    def owner(self) -> psycopg.Connection:
        """A connection of the table's owner; every statement is committed by itself."""
        return psycopg.connect(self.database.admin_url, autocommit=True)

    def own(self, *statements: str) -> None:
        """Run statements as the table's owner."""
        with self.owner() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self) -> int:
        """Rows in the table."""
        with self.owner() as connection:
            return _rows(connection)

    def until_rows(self, count: int) -> None:
        """Wait until the table has that many rows, at least."""
        # One session for all questions: to open one takes as long as writing some batches.
        with self.owner() as connection:
            until(lambda: _rows(connection) >= count, f"{count} rows")

    def sessions_of_the_processor(self) -> list[int]:
        """Process ids of the server's sessions that serve the processor in this database."""
        with self.owner() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE usename = 'processor' AND datname = current_database()"
            ).fetchall()
        return [pid for (pid,) in found]

    def connections(self) -> dict[str, str]:
        """Ids of the processor's connections to Redis, by what they are for."""
        return {
            client["name"].rpartition(":")[2]: client["id"]
            for client in self.redis.client_list()
            if client["name"].startswith("processor/")
        }


def _waiting(connection: psycopg.Connection, role: str) -> int:
    [count] = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        " AND datname = current_database() AND wait_event_type = 'Lock'",
        [role],
    ).fetchone() or (0,)
    return int(count)


def _rows(connection: psycopg.Connection) -> int:
    [count] = connection.execute("SELECT count(*) FROM positions").fetchone() or (0,)
    return int(count)
