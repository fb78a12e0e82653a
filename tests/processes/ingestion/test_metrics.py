"""Every metric is true: known traffic of every kind, and every sample compared with what else shows it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from telemetry.chassis.control.messages import Request, encode_request, new_id, reply_channel
from tests.support.ingestion import Handset, entries, frozen
from tests.support.ingestion_frames import datagram, framed, imei_of, tcp_frame
from tests.support.processes import WAIT_S_MAX, until
from tests.support.truth import (
    Between,
    Samples,
    assert_histogram_adds_up,
    differences,
    process_samples,
)
from tests.support.vectors import COMMAND, EMPTY, rows

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.ingestion import Device, Ingest, Ingestion

ENV = {
    "INSTANCE_ID": "truth-1",
    "LOG_LEVEL": "debug",
    "LOGIN_TIMEOUT_MS": "500",
    "TELTONIKA_UDP_PORT": "0",
    "PUBLISH_QUEUE_CAPACITY": "10",
    "MAX_CONNECTIONS_PER_ADDRESS": "2",
    "QUARANTINE_AFTER": "2",
    "DEVICE_REFRESH_MS": "100",
}
KNOWN, UNKNOWN = 1, 2
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
DURATION = "publish_duration_seconds"
# Lines about single devices, of which each device has one a minute.
LIMITED = ("frame refused", "no login")
# The contract's names, each with the labels that it may have.
CONTRACT = (
    "connections_active",
    'handshake_total{known="known",result="accepted"}',
    'frames_total{codec="8",result="ok"}',
    'records_published_total{codec="8"}',
    'unknown_codec_total{codec="other"}',
    "publish_overflow_total",
    "publish_queue_depth",
    f"{DURATION}_count",
    "probes_total",
    "pings_total",
    'command_responses_total{codec="12"}',
    "oldest_unanswered_seconds",
    'connections_refused_total{reason="connections"}',
    "quarantined_total",
    'redis_errors_total{code="connection"}',
)


class Truth:
    """What every sample must be now: what the test has done, and what Redis, the kernel and the log show."""

    def __init__(self, service: Ingestion, redis: Redis, stream: str) -> None:
        self.tally: Counter[str] = Counter()
        """Counters that are not 0."""
        self.limited = 0
        """Events of which there is a line, or one less."""
        self.frames = 0
        """Frames with records that Redis has confirmed."""
        self._service = service
        self._redis = redis
        self._stream = stream
        self._began = time.monotonic()
        self._zeros = {
            name: value
            for name, value in service.metrics().items()
            if not name.startswith(("process_", "python_"))
        }

    def samples(self, changed: Samples) -> Samples:
        codecs = Counter(each[b"codec"].decode() for each in entries(self._redis, self._stream))
        lines = sum(len(self._service.logged(beginning)) for beginning in LIMITED)
        return {
            **self._zeros,
            **{name: float(count) for name, count in self.tally.items()},
            **{
                f'records_published_total{{codec="{codec}"}}': float(count)
                for codec, count in codecs.items()
            },
            **{f'{DURATION}_bucket{{le="{bound}"}}': Between(0, self.frames) for bound in BOUNDS},
            f'{DURATION}_bucket{{le="+Inf"}}': float(self.frames),
            f"{DURATION}_count": float(self.frames),
            f"{DURATION}_sum": Between(0.0, self.frames * (time.monotonic() - self._began)),
            "connections_active": float(self._connections()),
            "log_lines_suppressed_total": float(self.limited - lines),
            **process_samples(self._service.process.pid),
            **changed,
        }

    def _connections(self) -> int:
        """That the kernel has of the service's port."""
        return sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self._service.port
            for each in psutil.Process(self._service.process.pid).net_connections("tcp")
        )


def assert_true(
    service: Ingestion, truth: Truth, changed: Samples | None = None
) -> dict[str, float]:
    """Every sample is what it must be, once what is under way has been counted."""
    seen: dict[str, float] = {}
    wrong: dict[str, object] = {}

    def is_true() -> bool:
        seen.clear()
        wrong.clear()
        found = service.metrics()
        seen.update({name: each for name, each in found.items() if "python_" not in name})
        wrong.update(differences(seen, truth.samples(changed or {})))
        return not wrong

    try:
        until(is_true, "every metric is true", within_s=10)
    except AssertionError:
        pytest.fail(f"seen and expected: {wrong}")
    assert_histogram_adds_up(seen, DURATION, BOUNDS)
    return seen


def frames_total(codec: str, result: str) -> str:
    return f'frames_total{{codec="{codec}",result="{result}"}}'


def logins(service: Ingestion, truth: Truth) -> None:
    """Accepted, malformed, timed out; a probe, and one connection too many."""
    with service.login(KNOWN), service.login(UNKNOWN), service.connect(3) as third:
        assert third.until_closed() == b""
    # An address has two places: each is given back before it is taken again.
    service.until_metrics(connections_active=0)
    with service.connect() as stranger:
        stranger.send(b"GET / HTTP/1.1\r\n\r\n")
        stranger.until_closed()
    service.until_metrics(connections_active=0)
    with service.connect() as slow:
        slow.send(b"\x00\x0f3")
        slow.until_closed()
    service.until_metrics(connections_active=0)
    service.connect().close()
    service.until_metrics(connections_active=0)
    truth.limited += 1
    truth.tally.update(
        {
            'handshake_total{known="known",result="accepted"}': 1,
            'handshake_total{known="unknown",result="accepted"}': 1,
            'handshake_total{known="unknown",result="malformed"}': 1,
            'handshake_total{known="unknown",result="timeout"}': 1,
            'connections_refused_total{reason="address"}': 1,
            "probes_total": 1,
        }
    )


def sound_frames(device: Device, truth: Truth) -> None:
    """Of each codec, one without records, a command and a ping."""
    for codec in ("8", "8E", "16"):
        row = next(
            row
            for row in rows("frames.jsonl", "transport", "tcp")
            if row["codec"] == codec and row["strict_verdict"] == "ok"
        )
        assert device.ask(bytes.fromhex(row["hex"])) == len(row["records"])
        truth.tally[frames_total(codec, "ok")] += 1
        truth.frames += 1
    device.send(b"\xff" + bytes.fromhex(COMMAND))
    assert device.ask(bytes.fromhex(EMPTY)) == 0
    truth.tally.update(
        {
            frames_total("8", "ok"): 1,
            frames_total("12", "ok"): 1,
            'command_responses_total{codec="12"}': 1,
            "pings_total": 1,
        }
    )


def refused_frames(service: Ingestion, device: Device, truth: Truth) -> None:
    """A wrong checksum, an unknown codec, and an undecodable frame until it is kept."""
    device.send(tcp_frame(1)[:-1] + b"\x00")
    for frame in (framed(bytes([0x42, 1]) + bytes(40) + bytes([1])), UNDECODABLE):
        with service.login(UNKNOWN) as other:
            other.send(frame)
            assert other.until_closed() == b""
        service.until_metrics(connections_active=1)
    with service.login(UNKNOWN) as other:
        assert other.ask(UNDECODABLE) == 2
    service.until_metrics(connections_active=1)
    truth.limited += 4
    truth.tally.update(
        {
            'handshake_total{known="unknown",result="accepted"}': 3,
            frames_total("8", "crc_fail"): 1,
            frames_total("8", "malformed"): 2,
            frames_total("other", "unknown_codec"): 1,
            'unknown_codec_total{codec="other"}': 1,
            "quarantined_total": 1,
        }
    )


UNDECODABLE = framed(bytes([8, 2, 0, 0, 0, 2]))


def datagrams(service: Ingestion, truth: Truth) -> None:
    """One that is published, behind one that is refused."""
    with Handset(service.port_of("udp")) as handset:
        handset.send(datagram(5, 0)[:-1])
        assert handset.ask(datagram(5, 0))[-1] == 5
    truth.limited += 1
    truth.frames += 1
    truth.tally.update({frames_total("8", "ok"): 1, frames_total("other", "malformed"): 1})


def requests(redis: Redis, stream: str, truth: Truth) -> None:
    """A request of an operator, and messages that are none."""
    channel = f"{stream}:control"
    look = Request(new_id(), "look", {}, None)
    with redis.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(reply_channel(channel, look.id))
        assert listener.get_message(timeout=WAIT_S_MAX)
        for message in (encode_request(look), b"garbage", b" " * 70_000):
            redis.publish(channel, message)
        until(lambda: listener.get_message(timeout=WAIT_S_MAX), "an answer")
    truth.tally.update(
        {
            'requests_total{request="look"}': 1,
            'control_messages_dropped_total{reason="garbage"}': 1,
            'control_messages_dropped_total{reason="oversize"}': 1,
        }
    )


def test_every_metric_is_true_while_it_is_quiet_held_up_refused_and_stopping(
    ingest: Ingest, redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    redis_client.sadd(f"{stream_name}:devices", imei_of(KNOWN))
    service = ingest(**ENV).ready()
    fresh = service.metrics()
    ones = {name for name, value in fresh.items() if value == 1}
    assert {'phase{phase="running"}', 'dependency_ready{dependency="redis"}'} < ones
    assert set(CONTRACT) <= fresh.keys()
    assert not any(fresh[name] for name in CONTRACT)
    truth = Truth(service, redis_client, stream_name)
    assert_true(service, truth)

    logins(service, truth)
    with service.login(KNOWN) as device:
        truth.tally['handshake_total{known="known",result="accepted"}'] += 1
        sound_frames(device, truth)
        refused_frames(service, device, truth)
        datagrams(service, truth)
        requests(redis_client, stream_name, truth)
        assert_true(service, truth)
        held_up(service, redis_server, device, truth)
        refused_by_redis(service, redis_client, device, truth)
        stopping(service, redis_server, device, truth)


def held_up(service: Ingestion, redis_server: RedisServer, device: Device, truth: Truth) -> None:
    """Redis is frozen: one frame waits for it, and there is no room for another one."""
    began = time.monotonic()
    with service.login(UNKNOWN) as other:
        truth.tally['handshake_total{known="unknown",result="accepted"}'] += 1
        before = truth.samples({})
        with frozen(redis_server):
            device.send(tcp_frame(10, records=7))
            service.until_metrics(publish_queue_depth=7)
            other.send(tcp_frame(10, records=4))
            service.until_metrics(publish_overflow_total=1)
            truth.tally.update({frames_total("8", "overflow"): 1, "publish_overflow_total": 1})
            waited = Between(0.0, time.monotonic() - began + 1.0)
            seen = service.metrics()
            expected: Samples = {
                **before,
                **{name: float(count) for name, count in truth.tally.items()},
                **process_samples(service.process.pid),
                "publish_queue_depth": 7.0,
                "publish_queue_bytes": Between(7 * 200.0, 7 * 500.0),
                "oldest_unanswered_seconds": waited,
            }
            seen = {name: each for name, each in seen.items() if "python_" not in name}
            assert differences(seen, expected) == {}
        assert device.answer() == 7
    truth.frames += 1
    truth.tally[frames_total("8", "ok")] += 1
    assert_true(service, truth)


def refused_by_redis(service: Ingestion, redis: Redis, device: Device, truth: Truth) -> None:
    """Memory is full: a frame is dropped, and Redis not ready until it takes one again."""
    asked = time.monotonic()
    redis.config_set("maxmemory", 1)
    try:
        device.send(tcp_frame(11))
        truth.tally.update(
            {frames_total("8", "unpublished"): 1, 'redis_errors_total{code="OOM"}': 1}
        )
        service.until_metrics(**{'redis_errors_total{code="OOM"}': 1})
        away: Samples = {
            'dependency_ready{dependency="redis"}': 0.0,
            "oldest_unanswered_seconds": Between(0.0, time.monotonic() - asked + 10.0),
        }
        assert_true(service, truth, away)
    finally:
        redis.config_set("maxmemory", 0)
    assert device.ask(tcp_frame(11)) == 5
    truth.frames += 1
    truth.tally[frames_total("8", "ok")] += 1
    assert_true(service, truth)


def stopping(service: Ingestion, redis_server: RedisServer, device: Device, truth: Truth) -> None:
    """A stop request while Redis is frozen."""
    before: Any = truth.samples({})
    with frozen(redis_server):
        device.send(tcp_frame(12))
        service.until_metrics(publish_queue_depth=5)
        service.send()
        service.wait_for("shutdown: starting")
        seen = {k: v for k, v in service.metrics().items() if "python_" not in k}
        expected: Samples = {
            **before,
            **process_samples(service.process.pid),
            "publish_queue_depth": 5.0,
            "publish_queue_bytes": Between(5 * 200.0, 5 * 500.0),
            "oldest_unanswered_seconds": Between(0.0, 5.0),
            'phase{phase="running"}': 0.0,
            'phase{phase="draining"}': 1.0,
            "drain_duration_seconds": Between(0.0, 5.0),
        }
        assert differences(seen, expected) == {}
    assert device.answer() == 5
    assert service.wait() == 0
    assert (
        service.lines[-1]["frames"]
        == sum(count for name, count in truth.tally.items() if 'result="ok"' in name) + 1
    )
    assert device.until_closed() == b""
