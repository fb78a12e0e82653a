"""Thousands of connections at once: memory of silent ones, a storm of logins, growth, and the drain under load."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.ingestion.load import Load
from bench.ingestion.sending import check_entries
from bench.ingestion.servers import running
from bench.measure import BenchError

if TYPE_CHECKING:
    from bench.ingestion.contenders import Contender
    from bench.ingestion.servers import BenchRedis, Running
    from bench.ingestion.setting import Setting

SENDERS = 200
SENDERS_FRAMES_PER_SECOND = 1000
# Lives a second in the churn, half of which are rubbish, of so many devices.
LIVES_PER_SECOND = 200
CHURNING = 500
# IMEIs of the churn are others than those of the silent devices: a newer login would close these.
CHURN_FIRST_DEVICE = 50_000
DRAIN_AFTER_S = 1.5
DRAIN_BOUND_S = 60.0
DRAIN_BUDGET_S = 8.0


@dataclass(frozen=True)
class Silence:
    """Resident memory with silent connections."""

    bytes_per_connection: float
    resident_bytes: float


@dataclass(frozen=True)
class Storm:
    """Logins at once, while others send."""

    logins_s: float
    """From the first connect to the last answer."""
    senders_p99_ms: float
    """Of the frames that were due meanwhile."""


@dataclass(frozen=True)
class Growth:
    """Resident memory before and after some minutes of frames, reconnects and rubbish, beside silent connections."""

    seconds: float
    lives: float
    before_bytes: int
    after_bytes: int


@dataclass(frozen=True)
class Drain:
    """A stop request while all connections send flat out."""

    seconds: float
    """From the request to the end of the process."""
    budget_s: float
    exit_code: int
    unanswered: int
    """Frames that were sent and not answered: their devices send them again."""
    answered_records: int
    entries: int


def compare_silence(setting: Setting) -> dict[str, Silence]:
    """Memory of silent connections, of all contenders in turn. Raises BenchError."""
    runs = setting.in_turn(
        "silent connections",
        lambda contender: _silence(contender, setting.redis, setting.scale.connections),
    )
    return {
        name: Silence(
            median(run.bytes_per_connection for run in kept),
            median(run.resident_bytes for run in kept),
        )
        for name, kept in runs.items()
    }


def _silence(contender: Contender, redis: BenchRedis, connections: int) -> Silence:
    with running(contender, redis) as service:
        # Whatever is made once is there before the first silent connection.
        warm_up = ["send", "--connections", "20", "--warm-up", "0.5", "--seconds", "0.5"]
        with Load(warm_up, port=service.port, length_s=1) as load:
            load.part("logins")
            load.go_on()
            tallies = [load.part("warm_up")]
            load.go_on()
            tallies.append(load.part("measured"))
            load.go_on()
        before = service.resident_bytes()
        # Afterwards each device sends a frame: all of them are still there.
        asked = ["send", "--connections", str(connections), "--rate", str(connections)]
        asked += ["--first-device", "1000", "--warm-up", "1", "--seconds", "0.01"]
        with Load(asked, port=service.port, length_s=1) as load:
            load.part("logins").check(f"{contender.name}, logins")
            resident = service.resident_bytes()
            load.go_on()
            each_once = load.part("warm_up")
            each_once.check(f"{contender.name}, silent connections")
            load.go_on()
            tallies += [each_once, load.part("measured")]
            check_entries(redis, contender, tallies)
            load.go_on()
    return Silence((resident - before) / connections, resident)


def compare_storms(setting: Setting) -> dict[str, Storm]:
    """Logins at once while 200 devices send, of all contenders in turn. Raises BenchError."""
    runs = setting.in_turn(
        "storm of logins",
        lambda contender: _storm(contender, setting.redis, setting.scale.connections),
    )
    return {
        name: Storm(
            median(run.logins_s for run in kept), median(run.senders_p99_ms for run in kept)
        )
        for name, kept in runs.items()
    }


def _storm(contender: Contender, redis: BenchRedis, connections: int) -> Storm:
    asked = ["storm", "--connections", str(connections), "--senders", str(SENDERS)]
    asked += ["--rate", str(SENDERS_FRAMES_PER_SECOND)]
    with (
        running(contender, redis) as service,
        Load(asked, port=service.port, length_s=10) as load,
    ):
        load.part("logins").check(f"{contender.name}, logins of the senders")
        load.go_on()
        warm_up = load.part("warm_up")
        load.go_on()
        sent, logins = load.part("measured"), load.part("storm")
        sent.check(f"{contender.name}, senders in the storm")
        logins.check(f"{contender.name}, logins of the storm")
        check_entries(redis, contender, [warm_up, sent])
        load.go_on()
    return Storm(logins.seconds, sent.p99_ms)


def measure_growth(setting: Setting, contender: Contender) -> Growth:
    """Memory over some time of coming and going, beside silent connections. Raises BenchError."""
    redis, connections, seconds = setting.redis, setting.scale.connections, setting.scale.growth_s
    # Caches and pools fill first.
    before_s = seconds / 5
    silent = ["send", "--connections", str(connections), "--rate", str(connections)]
    silent += ["--warm-up", "1", "--seconds", "0.01"]
    churn = ["churn", "--connections", str(CHURNING), "--rate", str(LIVES_PER_SECOND)]
    churn += ["--first-device", str(CHURN_FIRST_DEVICE)]
    churn += ["--warm-up", str(before_s), "--seconds", str(seconds)]
    with (
        running(contender, redis) as service,
        Load(silent, port=service.port, length_s=1) as devices,
        Load(churn, port=service.port, length_s=seconds) as strangers,
    ):
        devices.part("logins").check(f"{contender.name}, logins")
        tallies = [strangers.part("warm_up")]
        before = service.resident_bytes()
        strangers.go_on()
        tallies.append(strangers.part("measured"))
        after = service.resident_bytes()
        for tally in tallies:
            tally.check(f"{contender.name}, coming and going")
        devices.go_on()
        each_once = devices.part("warm_up")
        each_once.check(f"{contender.name}, silent connections behind it")
        devices.go_on()
        tallies += [each_once, devices.part("measured")]
        check_entries(redis, contender, tallies)
        strangers.go_on()
        devices.go_on()
    return Growth(seconds, LIVES_PER_SECOND * seconds, before, after)


def measure_drain(setting: Setting, contender: Contender) -> Drain:
    """Stop it while all connections send flat out. Raises BenchError if it answered what it has not stored."""
    redis = setting.redis
    asked = ["send", "--connections", str(setting.scale.connections)]
    asked += ["--seconds", str(DRAIN_BOUND_S)]
    with (
        running(contender, redis) as service,
        Load(asked, port=service.port, length_s=DRAIN_BOUND_S) as load,
    ):
        load.part("logins").check(f"{contender.name}, logins")
        load.go_on()
        warm_up = load.part("warm_up")
        warm_up.check(f"{contender.name}, warm-up")
        load.go_on()
        time.sleep(DRAIN_AFTER_S)
        seconds, exit_code = _stop(service)
        tally = load.part("measured")
        load.go_on()
        answered, entries = warm_up.records + tally.records, redis.entries_added()
        if tally.wrong or answered > entries:
            raise BenchError(
                f"{contender.name} answered {answered:,} records, the stream was given {entries:,}"
            )
    return Drain(seconds, DRAIN_BUDGET_S, exit_code, tally.unanswered, answered, entries)


def _stop(service: Running) -> tuple[float, int]:
    service.process.send_signal(signal.SIGTERM)
    asked_s = time.monotonic()
    try:
        exit_code = service.process.wait(DRAIN_BOUND_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{service.contender.name} has not ended") from None
    return time.monotonic() - asked_s, exit_code
