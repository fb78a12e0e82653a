"""What both servers and the process itself show, as the samples that `/metrics` must have."""

from __future__ import annotations

import math
import resource
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil

from processor.core.requests import REQUESTS
from telemetry._codec import DECODE_CODES
from telemetry.chassis.control.messages import UNKNOWN
from tests.support.processes import WAIT_S_MAX
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis

    from tests.support.processes import Service
    from tests.support.servers import Servers

# Counts each COPY and INSERT that is committed, as the table's owner sees them.
COUNT_WRITES = (
    "CREATE TABLE writes (at timestamptz)",
    """CREATE FUNCTION count_writes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
       $$ BEGIN INSERT INTO public.writes VALUES (clock_timestamp()); RETURN NULL; END $$""",
    """CREATE TRIGGER count_writes AFTER INSERT ON positions
       FOR EACH STATEMENT EXECUTE FUNCTION count_writes()""",
)
# The probe asks once a second; a busy machine takes longer.
PROBE_S_MAX = 3.0
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Between:
    """A value that moves while it is looked at, or that two clocks show."""

    lowest: float
    highest: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and self.lowest <= other <= self.highest

    def __hash__(self) -> int:
        return hash((self.lowest, self.highest))


Samples: TypeAlias = "dict[str, float | Between]"


class Monitor:
    """Every command that the server executes, as MONITOR shows them."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._commands: list[list[str]] = []
        self._end = f"end-{id(self)}"
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._begun.wait(WAIT_S_MAX)

    def close(self) -> None:
        """End the thread: it sees a last command."""
        self._client.echo(self._end)
        self._thread.join(WAIT_S_MAX)

    def commands(self, name: str, stream: str) -> list[list[str]]:
        """The commands of this name so far that name the stream, scripts' too."""
        # What was executed before this command is shown before it.
        marker = f"marker-{time.monotonic_ns()}"
        self._client.echo(marker)
        while not any(marker in command for command in self._commands[-50:]):
            time.sleep(0.001)
        return [
            command
            for command in self._commands
            if command[0].upper() == name and stream in command
        ]

    def _listen(self) -> None:
        with self._client.monitor() as monitor:  # type: ignore[no-untyped-call]
            self._begun.set()
            for event in monitor.listen():
                self._commands.append(event["command"].split(" "))
                if self._end in self._commands[-1]:
                    return


@contextmanager
def monitored(client: Redis) -> Iterator[Monitor]:
    """What the server executes from now on, until the end of the block."""
    monitor = Monitor(client)
    try:
        yield monitor
    finally:
        monitor.close()


@dataclass
class Tally:
    """What a test has published, and what must have become of it by now."""

    published: int = 0
    """New entries that the group can read."""
    redelivered: int = 0
    claimed: int = 0
    lost: int = 0
    duplicates: int = 0
    discarded: int = 0
    refused: int = 0
    """Tries in which the server refused a record."""
    decode_errors: Counter[str] = field(default_factory=Counter)
    rehydrated: Counter[str] = field(default_factory=Counter)
    devices: int = 0
    evictions: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    left_pending: int = 0
    own_reads: int = 0
    """XREADGROUP calls of the test itself."""
    rows_before: int = 0
    last_publication_s: float = 0.0
    """On the monotonic clock."""


class Truth:
    """Compares every sample with the servers, in one moment in which nothing moves but ages."""

    def __init__(self, service: Service, servers: Servers, monitor: Monitor, tally: Tally) -> None:
        self.service = service
        self.servers = servers
        self.monitor = monitor
        self.tally = tally
        self.stream = servers.stream

    def samples(self, changed: Samples) -> Samples:
        """All that `/metrics` must show now; `changed` are those that are different in this moment alone."""
        expected: Samples = {
            **self._stream(),
            **self._entries(),
            **self._writes(),
            **self._devices(),
            **self._state(),
            **process_samples(self.service.process.pid),
        }
        return {**expected, **changed}

    def _labelled(self, name: str, label: str, values: Mapping[str, float]) -> Samples:
        return {f'{name}{{{label}="{each}"}}': float(value) for each, value in values.items()}

    def _stream(self) -> Samples:
        reads = len(self.monitor.commands("XREADGROUP", self.stream)) - self.tally.own_reads
        ok = len(
            [line for line in self.service.logged("batch consumed") if not line["redelivered"]]
        )
        errors = len(self.service.logged("read failed"))
        # One read is on its way, and another may be before the metrics are looked at.
        empty = Between(reads - ok - errors - 1.0, reads - ok - errors + 50.0)
        redis, stream = self.servers.redis, self.stream
        seconds, microseconds = redis.time()
        now_ms = seconds * 1_000 + microseconds // 1_000
        info: Any = redis.xinfo_stream(stream)
        last_age_s = (now_ms - int(info["last-generated-id"].split(b"-")[0])) / 1_000
        [group] = redis.xinfo_groups(stream)
        behind: Any = redis.xrange(stream, b"(" + group["last-delivered-id"], "+")
        found: Samples = {
            'consumer_reads_total{result="ok"}': float(ok),
            'consumer_reads_total{result="empty"}': empty,
            'consumer_reads_total{result="error"}': float(errors),
            "consumer_records_total": float(
                self.tally.published - len(behind) + self.tally.redelivered
            ),
            "consumer_lag": float(len(behind)),
            "pending_entries": float(self.servers.pending()),
            "last_entry_age_seconds": Between(last_age_s - 0.1, last_age_s + PROBE_S_MAX),
            "last_record_age_seconds": Between(
                0.0, time.monotonic() - self.tally.last_publication_s + 0.1
            ),
        }
        if ids := self.servers.pending_ids():
            oldest_s = (now_ms - int(ids[0].split("-")[0])) / 1_000
            found["oldest_pending_age_seconds"] = Between(oldest_s - 0.1, oldest_s + PROBE_S_MAX)
        return found

    def _entries(self) -> Samples:
        letters = Counter(letter[b"dlq_code"].decode() for letter in self.servers.dead_letters())
        codes = dict.fromkeys([*DECODE_CODES, "refused_by_server", "no_answer"], 0)
        return {
            "claims_total": float(self.tally.claimed),
            "lost_entries_total": float(self.tally.lost),
            **self._labelled("dead_letters_total", "code", {**codes, **letters}),
            **self._labelled(
                "decode_errors_total",
                "code",
                {code: self.tally.decode_errors[code] for code in DECODE_CODES},
            ),
        }

    def _writes(self) -> Samples:
        tally = self.tally
        inserted = self.servers.rows() - tally.rows_before
        letters = len(self.servers.dead_letters())
        acked = sum(len(command) - 3 for command in self.monitor.commands("XACK", self.stream))
        settled = inserted + tally.duplicates + tally.discarded
        # The ids of dead letters are acknowledged by the script that writes them.
        assert acked == settled + letters
        retries = Counter(
            line["sqlstate"] or "connection"
            for line in self.service.logged("batch failed and is written again")
        )
        in_flight = self.servers.pending() - tally.left_pending
        ledger = {
            "read": settled + letters + tally.lost + in_flight,
            "acked": settled,
            "dead_lettered": letters,
            "lost": tally.lost,
            "taken_over": 0,
            "released": 0,
            "left_pending": tally.left_pending,
            "released_unread": 0,
        }
        return {
            **self._labelled(
                "position_writes_total",
                "status",
                {
                    "inserted": inserted,
                    "duplicate": tally.duplicates,
                    "discarded": tally.discarded,
                    "failed": tally.refused,
                },
            ),
            **self._durations(),
            **self._labelled("write_retries_total", "cause", {"connection": 0, **retries}),
            "acks_total": float(settled),
            "in_flight_records": float(in_flight),
            **self._labelled("ledger_entries", "class", ledger),
        }

    def _durations(self) -> Samples:
        """As many as the table's owner has counted; none longer than the whole life."""
        with self.servers.owner() as owner:
            [writes] = owner.execute("SELECT count(*) FROM writes").fetchone() or (0,)
        name = "position_write_duration_seconds"
        return {
            **{f'{name}_bucket{{le="{bound}"}}': Between(0.0, writes) for bound in BOUNDS},
            f'{name}_bucket{{le="+Inf"}}': float(writes),
            f"{name}_count": float(writes),
            f"{name}_sum": Between(0.0, self._age_s()),
        }

    def _devices(self) -> Samples:
        tally = self.tally
        results = {name: tally.rehydrated[name] for name in ("restored", "empty", "failed")}
        return {
            "device_state_size": float(tally.devices),
            "device_state_evictions_total": float(tally.evictions),
            **self._labelled("rehydrations_total", "result", results),
            **self._labelled(
                "requests_total",
                "request",
                {name: tally.requests[name] for name in (*REQUESTS, UNKNOWN)},
            ),
            **self._labelled(
                "control_messages_dropped_total",
                "reason",
                {name: tally.dropped[name] for name in ("oversize", "garbage")},
            ),
        }

    def _state(self) -> Samples:
        version = self.service.logged("processor starting")[0]["version"]
        labels = {
            "consumer": self.service.logged("consumer started")[0]["consumer"],
            "group": GROUP,
            "instance_id": self.service.lines[0]["instance_id"],
            "stream": self.stream,
            "version": version,
        }
        shown = ",".join(f'{name}="{value}"' for name, value in labels.items())
        phases = {"starting": 0, "running": 1, "leaving": 0, "draining": 0, "stopped": 0}
        return {
            "drain_budget_seconds": 8.0,
            **self._labelled("drain_outcome", "outcome", {"clean": 0, "timed_out": 0}),
            **self._labelled("phase", "phase", phases),
            **self._labelled("dependency_ready", "dependency", {"redis": 1, "postgres": 1}),
            f"build_info{{{shown}}}": 1.0,
        }

    def _age_s(self) -> float:
        return time.time() - psutil.Process(self.service.process.pid).create_time()


def process_samples(pid: int) -> Samples:
    """What the kernel says of a process."""
    process = psutil.Process(pid)
    cpu = process.cpu_times()
    memory = process.memory_info()
    descriptors = process.num_fds()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    began = process.create_time()
    used_s = cpu.user + cpu.system
    return {
        "process_cpu_seconds_total": Between(used_s - 0.05, used_s + 1.0),
        "process_resident_memory_bytes": Between(memory.rss * 0.9, memory.rss * 1.1),
        "process_virtual_memory_bytes": Between(memory.vms * 0.9, memory.vms * 1.1),
        "process_start_time_seconds": Between(began - 1.0, began + 1.0),
        # The connection on which the metrics are asked for is one more.
        "process_open_fds": Between(descriptors - 1.0, descriptors + 3.0),
        "process_max_fds": float(soft),
    }


def differences(seen: Mapping[str, float], expected: Samples) -> dict[str, object]:
    """Each sample that is not what it must be, or is on one side alone, with what was seen and expected."""
    names = seen.keys() | expected.keys()
    return {
        name: (seen.get(name), expected.get(name))
        for name in sorted(names)
        if expected.get(name) != seen.get(name)
    }


def assert_histogram_adds_up(
    seen: Mapping[str, float],
    name: str = "position_write_duration_seconds",
    bounds: Sequence[float] = BOUNDS,
) -> None:
    """Each bucket holds what the one before it holds, and the sum is within what they allow."""
    counts = [seen[f'{name}_bucket{{le="{bound}"}}'] for bound in (*bounds, "+Inf")]
    assert counts == sorted(counts)
    each = [after - before for before, after in zip([0.0, *counts], counts, strict=False)]
    lowest = sum(count * bound for count, bound in zip(each, (0.0, *bounds), strict=True))
    highest = sum(
        count * bound for count, bound in zip(each, (*bounds, math.inf), strict=True) if count
    )
    assert lowest <= seen[f"{name}_sum"] <= highest
