"""Every metric is true: known traffic of every kind, and every sample compared with the servers' truth."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from telemetry._codec import DECODE_CODES
from telemetry.chassis.control.messages import Request, encode_request, new_id, reply_channel
from tests.processes.test_refused_entries import MALFORMED, PAYLOAD_BYTES_MAX
from tests.support.batches import position
from tests.support.processes import WAIT_S_MAX, until
from tests.support.servers import ABANDONED_MS, GROUP, drive, entry
from tests.support.truth import (
    COUNT_WRITES,
    Between,
    Monitor,
    Samples,
    Tally,
    Truth,
    assert_histogram_adds_up,
    differences,
    monitored,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.conftest import Run
    from tests.support.processes import Service
    from tests.support.servers import Fields, Servers

ENV = {
    "INSTANCE_ID": "truth-1",
    "REDIS_CONSUMER_NAME": "consumer-1",
    "LOG_LEVEL": "debug",
    # Long enough that what is in flight is never idle on a busy machine.
    "CLAIM_THRESHOLD_MS": "1000",
    "CLAIM_INTERVAL_MS": "100",
    "BATCH_BLOCK_MS": "100",
    "CONNECT_BACKOFF_MAX_MS": "100",
    "BATCH_SIZE": "50",
    "WRITE_BATCH_SIZE": "50",
    "DLQ_MAX_ATTEMPTS": "2",
    "DEVICE_STATE_LRU_CAP": "5",
    "MAX_PAYLOAD_BYTES": str(PAYLOAD_BYTES_MAX),
}
DRAIN_S_MAX = 8.0
RESTORED, REFUSED, DISCARDED, OTHER = 1, 5, 6, 7
"""Devices by what becomes of their rows; 0 to 3 are ordinary."""
PREPARED = (
    *COUNT_WRITES,
    f"ALTER TABLE positions ADD CHECK (device_id <> '{position(REFUSED, 0)['device_id']}')",
    "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    f"""CREATE TRIGGER discard BEFORE INSERT ON positions FOR EACH ROW
        WHEN (NEW.device_id = '{position(DISCARDED, 0)["device_id"]}') EXECUTE FUNCTION discard()""",
    f"""INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
                               priority, codec, attributes)
        VALUES ('{position(RESTORED, 0)["device_id"]}', now() - interval '1 day', 1, 1, 1, 1, 1, 1, 1, '8', '{{}}')""",
    "TRUNCATE writes",
)


@pytest.fixture
def monitor(servers: Servers) -> Iterator[Monitor]:
    with monitored(servers.redis) as monitor:
        yield monitor


class Traffic:
    """Publishes, and tallies what must become of it."""

    def __init__(self, servers: Servers, tally: Tally) -> None:
        self.servers = servers
        self.tally = tally

    def publish(self, entries: list[Fields]) -> None:
        self.tally.published += len(entries)
        self.servers.publish_at_once(entries)
        self.tally.last_publication_s = time.monotonic()

    def everything(self, service: Service) -> None:
        """One kind behind the other, each settled before the next."""
        for kind in (
            self.good,
            self.duplicates,
            self.malformed,
            self.refused,
            self.discarded,
            self.abandoned,
            self.lost,
            self.requests,
        ):
            kind()
            self.servers.until_settled()
        self.cut_off(service)

    def trimmed_unread(self) -> None:
        """Entries that nobody can read, before those that are read."""
        self.servers.create_group()
        self.servers.publish(drive(10, devices=2, first_second=1_000))
        self.servers.redis.xtrim(self.servers.stream, maxlen=6, approximate=False)
        self.tally.published += 6
        self.tally.rehydrated.update(empty=1, restored=1)
        self.tally.devices = 2
        self.tally.last_publication_s = time.monotonic()

    def good(self) -> None:
        self.publish(drive(40, devices=4))
        self.tally.rehydrated["empty"] += 2
        self.tally.devices = 4

    def duplicates(self) -> None:
        self.publish(drive(7, devices=4))
        self.tally.duplicates += 7

    def malformed(self) -> None:
        """Each is tried twice."""
        self.publish([bad for bad, _ in MALFORMED.values()])
        self.tally.decode_errors.update(dict.fromkeys(DECODE_CODES, 2))
        self.tally.claimed += len(MALFORMED)
        self.tally.redelivered += len(MALFORMED)

    def refused(self) -> None:
        """Tried twice as well, beside a neighbour that is written."""
        self.publish([entry(REFUSED, 0), entry(0, 500)])
        self.tally.refused += 2
        self.tally.claimed += 1
        self.tally.redelivered += 1
        self.tally.rehydrated["empty"] += 1
        self.tally.devices = 5

    def discarded(self) -> None:
        self.publish([entry(DISCARDED, second) for second in range(3)])
        self.tally.discarded += 3
        self.tally.rehydrated["empty"] += 1
        self.tally.evictions += 1

    def abandoned(self) -> None:
        """Claimed from a consumer that left them."""
        self.servers.publish_abandoned([entry(OTHER, second) for second in range(4)])
        self.tally.own_reads += 1
        self.tally.claimed += 4
        self.tally.redelivered += 4
        self.tally.rehydrated["empty"] += 1
        self.tally.evictions += 1
        self.tally.last_publication_s = time.monotonic()

    def lost(self) -> None:
        """Given to a consumer that left them, and deleted, in one step."""
        redis, stream = self.servers.redis, self.servers.stream
        next_ms = redis.time()[0] * 1_000 + redis.time()[1] // 1_000 + 1
        ids = [f"{next_ms}-{number}" for number in range(3)]
        with redis.pipeline(transaction=True) as pipeline:
            for second, entry_id in enumerate(ids):
                pipeline.xadd(stream, entry(OTHER, 100 + second), id=entry_id)
            pipeline.xreadgroup(GROUP, "dead", {stream: ">"}, count=len(ids))
            pipeline.xclaim(stream, GROUP, "dead", 0, [*ids], idle=ABANDONED_MS, justid=True)
            pipeline.xdel(stream, *ids)
            pipeline.execute()
        self.tally.own_reads += 1
        self.tally.lost += 3

    def requests(self) -> None:
        """Requests of operators, and messages that are none."""
        channel = f"{self.servers.stream}:{GROUP}:control"
        look = Request(new_id(), "look", {}, None)
        with self.servers.redis.pubsub() as listener:  # type: ignore[no-untyped-call]
            # An answer that nobody hears costs the instance a new connection, and what comes meanwhile.
            listener.subscribe(reply_channel(channel, look.id))
            assert listener.get_message(timeout=WAIT_S_MAX)
            for message in (encode_request(look), b"garbage", b" " * 70_000):
                self.servers.redis.publish(channel, message)
            until(lambda: listener.get_message(timeout=WAIT_S_MAX), "an answer")
        self.tally.requests["look"] += 1
        self.tally.dropped.update(garbage=1, oversize=1)

    def cut_off(self, service: Service) -> None:
        """The reader's connection is killed."""
        self.servers.redis.client_kill_filter(_id=self.servers.connections()["reader"])
        service.wait_for("read failed")
        until(lambda: "reader" in self.servers.connections(), "it is connected again")


def assert_true(truth: Truth, changed: Samples | None = None) -> dict[str, float]:
    """Every sample is what the servers show, once the probe has asked them."""
    seen: dict[str, float] = {}
    wrong: dict[str, object] = {}

    def is_true() -> bool:
        seen.clear()
        wrong.clear()
        seen.update(truth.service.metrics())
        wrong.update(differences(seen, truth.samples(changed or {})))
        return not wrong

    try:
        until(is_true, "every metric is true", within_s=10)
    except AssertionError:
        pytest.fail(f"seen and expected: {wrong}")
    assert_histogram_adds_up(seen)
    return seen


def test_every_metric_is_what_the_servers_show_while_it_is_quiet_held_up_and_stopping(
    run: Run, servers: Servers, monitor: Monitor
) -> None:
    servers.own(*PREPARED)
    tally = Tally(rows_before=1)
    traffic = Traffic(servers, tally)
    traffic.trimmed_unread()
    service = run(**ENV).ready()
    servers.until_settled()
    truth = Truth(service, servers, monitor, tally)
    traffic.everything(service)
    assert_true(truth)

    # Held up: the writer waits for its COPY, and what it has no room for stays in the stream.
    with servers.inserts_held():
        traffic.publish([entry(0, 5_000)])
        servers.until_writers_wait()
        traffic.publish(drive(300, devices=1, first_second=5_001))
        until(lambda: service.metrics()["in_flight_records"] > 1, "the next ones are read")
        held = assert_true(truth)
        assert held["consumer_lag"] > 0
        assert held["oldest_pending_age_seconds"] > 0
    servers.until_settled()
    assert_true(truth)

    # Its session is ended, as by a failover: the batch is written again.
    with servers.inserts_held():
        traffic.publish([entry(0, 9_000)])
        servers.until_writers_wait()
        servers.end_writer()
        service.wait_for("batch failed and is written again")
    servers.until_settled()
    assert_true(truth)

    with servers.inserts_held():
        traffic.publish([entry(0, 9_100)])
        servers.until_writers_wait()
        began = time.monotonic()
        service.send(signal.SIGTERM)
        service.wait_for("shutdown: starting")
        stopping: Samples = {
            'phase{phase="running"}': 0.0,
            'phase{phase="draining"}': 1.0,
            "drain_duration_seconds": Between(0.0, time.monotonic() - began + DRAIN_S_MAX),
        }
        assert_true(truth, stopping)
    assert service.wait() == 0
    assert service.ledger["acked"] == servers.rows() - 1 + tally.duplicates + tally.discarded
    assert service.ledger["lost"] == tally.lost
