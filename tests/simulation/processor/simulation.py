"""The simulation that instances share: Redis, the table, the published entries, and the lives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self

import trio

from processor.config import Config, load_config
from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import unix_ms
from tests.simulation.processor.life import Life
from tests.support.batches import NOON, position
from tests.support.fakes.pending import RELEASED_IDLE_S
from tests.support.fakes.redis import (
    EntryId,
    FakePending,
    FakeRedis,
    format_id,
    parse_id,
)
from tests.support.fakes.rows import Key, Row, day_of
from tests.support.fakes.store import FakeStore
from tests.support.fakes.stream import FakeStream
from tests.support.fakes.table import FakeTable

ENVIRONMENT = {
    "REDIS_URL": "redis://127.0.0.1",
    "POSTGRES_URL": "postgresql://processor@127.0.0.1/telemetry",
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "BATCH_SIZE": "5",
    "BATCH_BLOCK_MS": "2000",
    "WRITE_BATCH_SIZE": "10",
    "CLAIM_THRESHOLD_MS": "3000",
    "CLAIM_INTERVAL_MS": "1000",
    "DLQ_MAX_ATTEMPTS": "2",
    "DRAIN_BUDGET_MS": "2000",
    "CONNECT_ATTEMPTS": "100000",
    "CONNECT_BACKOFF_MAX_MS": "400",
}
# The server refuses the rows of this device, through their own fault: "value out of range".
REFUSED_DEVICE, REFUSAL = 9, "22003"
# A row of this device ends the session that writes it; a trigger returns nothing for those of the other one.
KILLER_DEVICE, DISCARDED_DEVICE = 11, 12
MALFORMED = "bad_json"
# More than a read takes.
SET_BACK_ENTRIES = 8
ROWS_BORNE_MAX = 2
# Microseconds from PostgreSQL's epoch to the noon of the positions.
NOON_KEY_US = round((NOON.timestamp() - 946_684_800) * 1_000_000)


@dataclass(frozen=True, slots=True)
class Published:
    """One entry of the stream, and its expected end."""

    fields: Mapping[str, str | bytes]
    key: Key | None
    """The key of its row; None for a poisonous entry."""
    stage: str = ""
    """The stage of a poisonous entry's dead letter."""
    code: str = ""
    is_discarded: bool = False
    """A trigger discards the row: the entry is acknowledged, and there is no row."""


def device_id(device: int) -> str:
    """The id of the device of this number."""
    return str(position(device, 0)["device_id"])


class Rows(dict[Key, Row]):
    """The table's rows; a row that is written twice is an error."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__()
        self._report = report

    def __ior__(self, rows: Any) -> Self:  # type: ignore[override,misc]
        for key in self.keys() & dict(rows).keys():
            self._report(f"the row {key} was written twice")
        self.update(rows)
        return self


@dataclass
class WatchedRedis(FakeRedis):
    """A Redis that reports each entry that an acknowledgement removes."""

    watch: Callable[[EntryId], None] = lambda _: None

    def acknowledge(self, entry_ids: Iterable[EntryId]) -> int:
        """XACK; each entry that is pending is shown to `watch` first."""
        keys = list(entry_ids)
        for key in keys:
            if key in self.pending:
                self.watch(key)
        return super().acknowledge(keys)


@dataclass(frozen=True)
class EdgeClasses:
    """The classes of the edges' fakes: broken ones show that the promise notices."""

    stream: type[FakeStream] = FakeStream
    store: type[FakeStore] = FakeStore


@cache
def _config(env: tuple[tuple[str, str], ...]) -> Config:
    return load_config({**ENVIRONMENT, **dict(env)})


@dataclass
class Simulation:
    """Made inside a Trio run, in the nursery that its lives run in."""

    nursery: trio.Nursery
    checkpoints: Checkpoints
    env: Mapping[str, str] = field(default_factory=dict)
    edges: EdgeClasses = field(default_factory=EdgeClasses)
    published: dict[str, Published] = field(default_factory=dict)
    trimmed: set[str] = field(default_factory=set)
    lives: list[Life] = field(default_factory=list)
    # Violations that were seen when they happened.
    wrongs: list[str] = field(default_factory=list)
    # How long PostgreSQL takes for each call.
    postgres_delay_s: float = 0.0
    is_finished: bool = False
    # How often the group's last delivery went back.
    set_back: int = 0
    # Entries that a group that was set back may have given to another consumer: whoever held them before
    # has no lease of them any more.
    given_again: set[str] = field(default_factory=set)
    # When each server was last away, frozen or slow; infinite while it is.
    _redis_failed_at: float = -math.inf
    _postgres_failed_at: float = -math.inf

    def __post_init__(self) -> None:
        self.redis = WatchedRedis(clock_ms=unix_ms, watch=self._watch_acknowledgement)
        self.table = FakeTable(rows=Rows(self.wrongs.append))
        self.table.refused_devices[device_id(REFUSED_DEVICE)] = REFUSAL
        self.table.killers = {device_id(KILLER_DEVICE)}
        self.table.discarded_devices = {device_id(DISCARDED_DEVICE)}

    def publish(self, second: int, *, device: int = 1, entry_id: EntryId | None = None) -> str:
        """A position; the same device and second again are a duplicate."""
        value = position(device, second)
        key = (str(value["device_id"]), NOON_KEY_US + second * 1_000_000)
        fields = {"ts": value["timestamp"], "codec": "8E", "payload": json.dumps(value)}
        if device == REFUSED_DEVICE:
            return self._add(Published(fields, None, "write", "refused_by_server"))
        if device == KILLER_DEVICE:
            # It takes a while to find it out, during which nothing else is written.
            self._postgres_failed_at = math.inf
            return self._add(Published(fields, None, "write", "no_answer"))
        published = Published(fields, key, is_discarded=device == DISCARDED_DEVICE)
        return self._add(published, entry_id)

    def publish_malformed(self) -> str:
        """An entry that the codec refuses."""
        return self._add(Published({"codec": "8E", "payload": b"{"}, None, "decode", MALFORMED))

    def trim(self, entry_id: str) -> None:
        """Delete an entry from the stream, whether or not it is pending."""
        self.trimmed.add(entry_id)
        self.redis.delete(entry_id)

    def set_group_back(self) -> None:
        """The group delivers its last entries again; some are in flight, refused or settled."""
        before = self.redis.group and self.redis.group.last_delivered
        self.redis.set_group_back(SET_BACK_ENTRIES)
        self.set_back += 1
        if before and self.redis.group:
            again = (key for key in self.redis.entries if self.redis.group.last_delivered < key)
            self.given_again.update(format_id(key) for key in again if key <= before)

    def deliver_to_the_dead(self, *, deliveries: int = 1) -> None:
        """Make the unread entries pending for a long time, under a consumer that no longer exists."""
        self.redis.create_group()
        group = self.redis.group
        assert group is not None
        for key in self.redis.undelivered(group):
            group.pending[key] = FakePending("ghost", deliveries, delivered_at_s=-3600)
            group.last_delivered = key

    def start(self, name: str) -> Life:
        """Begin a life. Two that live at once have different names."""
        assert all(life.has_ended for life in self.lives if life.name == name)
        config = replace(
            _config(tuple(self.env.items())), instance_id=name, redis_consumer_name=name
        )
        life = Life(self, name, config)
        self.lives.append(life)
        self.nursery.start_soon(life.run)
        return life

    @property
    def subject(self) -> Life:
        """The life under test: the first one."""
        return self.lives[0]

    @property
    def living(self) -> list[Life]:
        """The lives that go on."""
        return [life for life in self.lives if not life.has_ended]

    @property
    def claim_threshold_s(self) -> float:
        """How long an entry is idle before it is claimed."""
        return self.subject.config.claim_threshold_ms / 1000

    def redis_goes_away(self) -> None:
        """Every connection breaks, and none is accepted."""
        self.redis.go_away()
        self._redis_failed_at = math.inf

    def redis_freezes(self) -> None:
        """Connections stay, and nothing is answered."""
        if self.redis.answers.is_set():
            self.redis.answers = trio.Event()
        self._redis_failed_at = math.inf

    def redis_stumbles(self) -> None:
        """A short event that may cost lives their connections."""
        self._redis_failed_at = max(self._redis_failed_at, trio.current_time())

    def redis_recovers(self) -> None:
        """Redis accepts connections, has memory, and answers."""
        self.redis.come_back()
        self.redis.is_full = False
        self.redis.answers.set()
        self._redis_failed_at = min(self._redis_failed_at, trio.current_time())

    def postgres_goes_away(self) -> None:
        """Sessions break, and none is accepted."""
        self.table.reachable = False
        self._postgres_failed_at = math.inf

    def postgres_slows_down(self) -> None:
        """Each call takes a while."""
        self.postgres_delay_s = 0.4
        self._postgres_failed_at = math.inf

    def postgres_freezes(self) -> None:
        """Connections stay, and nothing is answered."""
        if self.table.answers.is_set():
            self.table.answers = trio.Event()
        self._postgres_failed_at = math.inf

    def table_refuses_all(self) -> None:
        """Every row is refused, as when transaction ids are used up."""
        self.table.refuses_all = "54000"
        self._postgres_failed_at = math.inf

    def commits_are_refused(self) -> None:
        """Rows are accepted and commits refused, as with a full NOTIFY queue."""
        self.table.refuses_commits = "54000"
        self._postgres_failed_at = math.inf

    def partition_is_missing(self) -> None:
        """The rows of the next day are refused."""
        self.table.refused_days[day_of(("", NOON_KEY_US)) + 1] = "23514"
        self._postgres_failed_at = math.inf

    def postgres_bears_little(self) -> None:
        """A write of more than a few rows loses its session."""
        self.table.rows_max = ROWS_BORNE_MAX
        self._postgres_failed_at = math.inf

    def sessions_are_few(self) -> None:
        """The role has sessions for the writer and the probe, and none for trials."""
        self.table.sessions_max = 2
        self._postgres_failed_at = math.inf

    def standby_leaves(self) -> None:
        """Commits wait, and are invisible."""
        self.table.standby_leaves()
        self._postgres_failed_at = math.inf

    def standby_returns(self) -> None:
        """The standby confirms everything that waits."""
        self.table.standby_returns()

    def postgres_restarts(self) -> None:
        """Sessions break; rows that waited for the standby are visible, and not confirmed."""
        self.table.restart()
        self._postgres_failed_at = max(self._postgres_failed_at, trio.current_time())

    def standby_is_promoted(self) -> None:
        """Sessions break, and rows that no standby has confirmed are gone."""
        self.table.promote()
        self._postgres_failed_at = max(self._postgres_failed_at, trio.current_time())

    def postgres_recovers(self) -> None:
        """PostgreSQL accepts connections, rows and commits, and answers without delay."""
        self.table.reachable = True
        self.table.answers.set()
        self.table.refuses_all = self.table.refuses_commits = None
        self.table.refused_days.clear()
        self.table.rows_max = self.table.sessions_max = None
        self.table.standby_returns()
        self.postgres_delay_s = 0.0
        self._postgres_failed_at = min(self._postgres_failed_at, trio.current_time())

    def heal(self) -> None:
        """Both servers are up and answer without delay."""
        self.redis_recovers()
        self.postgres_recovers()

    def redis_has_been_well_since(self, time_s: float) -> bool:
        """Whether Redis has always answered since then, without delay."""
        return self._redis_failed_at < time_s

    def has_been_well_since(self, time_s: float) -> bool:
        """Whether both servers have always answered since then, without delay, and refusals could be judged."""
        if self.lacks_evidence and any(self._is_refused(key) for key in self.redis.pending):
            return False
        return max(self._redis_failed_at, self._postgres_failed_at) < time_s

    @property
    def lacks_evidence(self) -> bool:
        """Whether there is no row to copy: then a refusal is not counted, and the row is tried again."""
        return not self.table.rows

    def _is_refused(self, key: EntryId) -> bool:
        return self.published[format_id(key)].stage == "write"

    @property
    def leases_hold(self) -> bool:
        """Whether Redis has answered for long enough that every lease could be renewed."""
        return trio.current_time() - self._redis_failed_at > self.claim_threshold_s

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do: nothing undelivered, pending or remembered as failed."""
        group = self.redis.group
        if group is None or self.redis.undelivered(group):
            return False
        return not group.pending and not self.redis.attempts

    def is_waiting(self, entry_id: str) -> bool:
        """Whether the entry can still be found: undelivered in the stream, or on the pending list."""
        key, group = parse_id(entry_id), self.redis.group
        if key in self.redis.pending:
            return True
        return key in self.redis.entries and (group is None or key > group.last_delivered)

    def stranded_of(self, consumer: str) -> set[str]:
        """Ids on a consumer's pending list that have no recorded failure and are not released."""
        own = {
            format_id(key)
            for key, it in self.redis.pending.items()
            if it.owner == consumer and it.idle_ms < RELEASED_IDLE_S * 1000
        }
        return own - self.redis.attempts.keys()

    def dead_letters_of(self, entry_id: str) -> list[dict[str, str | bytes]]:
        """The dead letters that name this entry."""
        return [each for each in self.redis.dead_letters if each["dlq_source_id"] == entry_id]

    def watch_claim(self, claimant: Life, entry_ids: Sequence[str]) -> None:
        """Check a claim: to take what a live peer works on breaks the promise."""
        if not self.leases_hold:
            return
        leased = [each for each in entry_ids if each not in self.given_again]
        for peer in self.lives:
            if peer is not claimant and (held := peer.holds(leased)):
                wrong = f"{claimant.name} claimed what {peer.name} works on: {', '.join(held)}"
                self.wrongs.append(wrong)

    def watch_failures(self, entry_ids: Sequence[str]) -> None:
        """Check recorded failures: one failure of a sound entry breaks the promise."""
        sound = [each for each in entry_ids if self.published[each].key is not None]
        if sound:
            self.wrongs.append(f"failures of sound entries were counted: {', '.join(sound)}")

    def _add(self, published: Published, entry_id: EntryId | None = None) -> str:
        added = self.redis.add(published.fields, entry_id)
        self.published[added] = published
        return added

    def _watch_acknowledgement(self, key: EntryId) -> None:
        entry_id = format_id(key)
        published = self.published[entry_id]
        is_decided = published.key in self.table.rows or published.is_discarded
        if not (is_decided or key not in self.redis.entries or self.dead_letters_of(entry_id)):
            self.wrongs.append(f"{entry_id} was acknowledged and is nowhere")
        if published.key in self.table.unconfirmed:
            self.wrongs.append(f"{entry_id} was acknowledged and confirmed by no standby")
