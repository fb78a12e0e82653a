"""A small stand-in for the service, honest or with one broken guarantee: `python -m tests.drills.stand_in honest`.

It obeys the parts of the contract that a drill looks at, in a hundred lines, so that the
drill's findings can be tested without faults of the service itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

import psycopg
import redis

COUNT = 50
RELEASED_IDLE_MS = 86_400_000
COLUMNS = "device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes"
ROW = (
    "%(device_id)s, %(timestamp)s, %(latitude)s, %(longitude)s, %(altitude)s, %(angle)s, %(speed)s, "
    "%(satellites)s, %(priority)s, %(codec)s, %(attributes)s"
)
INSERT = f"INSERT INTO positions ({COLUMNS}) VALUES ({ROW})"


class StandIn:
    """Reads, writes and acknowledges until a stop request, but for its fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.redis = redis.Redis.from_url(
            os.environ["REDIS_URL"], decode_responses=True, driver_info=None
        )
        self.postgres = psycopg.connect(os.environ["POSTGRES_URL"], autocommit=True)
        self.stream = os.environ["REDIS_TELEMETRY_STREAM"]
        self.group = os.environ["REDIS_CONSUMER_GROUP"]
        self.consumer = os.environ["REDIS_CONSUMER_NAME"]
        self.threshold_ms = int(os.environ["CLAIM_THRESHOLD_MS"])
        self.read = self.acked = 0
        self.stopping = threading.Event()

    def live(self) -> int:
        """Until a stop request; the exit code."""
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        self.settle(self.fresh("0"))
        say("processor ready")
        while not self.stopping.is_set():
            _, claimed, _ = self.redis.xautoclaim(
                self.stream, self.group, self.consumer, self.threshold_ms, count=COUNT
            )
            self.settle(claimed or self.fresh(">"))
        say("shutdown: starting signal=SIGTERM")
        return self.end()

    def fresh(self, start: str) -> list[Any]:
        """The next entries, own pending ones or new ones."""
        reply: Any = self.redis.xreadgroup(
            self.group, self.consumer, {self.stream: start}, count=COUNT, block=20
        )
        return [entry for _, entries in reply for entry in entries]

    def settle(self, entries: list[Any]) -> None:
        """Write, then acknowledge."""
        if not entries:
            return
        written = entries[1:] if self.fault == "ack-and-drop" else entries
        times = 2 if self.fault == "write-twice" else 1
        statement = INSERT if times == 2 else f"{INSERT} ON CONFLICT DO NOTHING"
        inserted = 0
        with self.postgres.transaction(), self.postgres.cursor() as cursor:
            for _ in range(times):
                for _, fields in written:
                    position = json.loads(fields["payload"])
                    attributes = json.dumps(position["attributes"])
                    cursor.execute(
                        statement.encode(),
                        {**position, "codec": fields["codec"], "attributes": attributes},
                    )
                    inserted += cursor.rowcount
        say("batch written", inserted=len(entries) * 2 if self.fault == "count-twice" else inserted)
        self.redis.xack(self.stream, self.group, *(entry_id for entry_id, _ in entries))
        self.read += len(entries)
        self.acked += len(entries)

    def end(self) -> int:
        """The drain, if it may be called so."""
        if self.fault == "hang":
            threading.Event().wait()
        if self.fault == "overtime":
            threading.Event().wait(2.5)
        released = left = 0
        if self.fault in {"release", "strand", "count-wrong"}:
            held = [entry_id for entry_id, _ in self.fresh(">")]
            self.read += len(held)
            if self.fault == "strand":
                left = len(held)
            elif held:
                released = len(held)
                self.redis.xclaim(
                    self.stream,
                    self.group,
                    self.consumer,
                    0,
                    held,
                    idle=RELEASED_IDLE_MS,
                    justid=True,
                )
        if self.fault != "silent":
            clean = not released + left
            ledger = {
                "read": self.read,
                "acked": self.acked,
                "released": released,
                "left_pending": left,
            }
            if self.fault == "count-wrong":
                ledger["released"] += 1
            say("shutdown: clean exit" if clean else "shutdown: timed out", ledger=ledger)
        if self.fault == "fail":
            return 1
        return 3 if released + left else 0


def say(message: str, **fields: Any) -> None:
    """One log line."""
    sys.stdout.write(json.dumps({"msg": message, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "refuse":
        say("cannot start: the schema is not what it should be")
        sys.exit(5)
    sys.exit(StandIn(sys.argv[1]).live())
