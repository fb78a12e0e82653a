"""The devices: a process that sends prepared XADDs, evenly spread over time, each with the moment it was sent at.

Run as `python -m bench.paced.producer`, with the services' variables of Redis. Each line on standard input is
an order, {"pace": …, "seconds": …}; each answer is a line with the fields of `Sent`. Records of a tick share
one send, and are of different devices.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bench.entries import USUAL_FLEET, fleet_entries

if TYPE_CHECKING:
    import random

DEVICES = 100
# Payloads differ; so many are prepared, a whole number for each device.
TEMPLATES = 20 * DEVICES
# Up to a thousand records a second each has a tick of its own.
TICK_S = 0.001
ENTRIES_MAX = 1_000_000
REPLY_LINES = 2
REPLY_BOUND_S = 30.0
PLACEHOLDER = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """What an order has become: microseconds of the first record, and how late 99 of 100 ticks were at most."""

    records: int
    first_us: int
    late_p99_ms: float


def packed(*parts: bytes) -> bytes:
    """One command as Redis reads it."""
    texts = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), texts)


def templates(stream: str) -> list[tuple[bytes, bytes, bytes]]:
    """Commands in three pieces: the record's time belongs between the first two, and between the last two."""

    def ages(_rng: random.Random, number: int) -> tuple[int, datetime]:
        return number % DEVICES, PLACEHOLDER

    mark = _iso_us(0)
    made = []
    for entry in fleet_entries(USUAL_FLEET, TEMPLATES, ages):
        command = packed(
            *(b"XADD", stream.encode(), b"MAXLEN", b"~", b"%d" % ENTRIES_MAX, b"*"),
            *(b"ts", mark, b"device_id", entry.device_id.encode(), b"codec", entry.codec.encode()),
            *(b"payload", entry.payload.replace(entry.ts.encode(), mark)),
        )
        head, middle, tail = command.split(mark)
        made.append((head, middle, tail))
    return made


def _iso_us(moment_us: int) -> bytes:
    second = datetime.fromtimestamp(moment_us // 1_000_000, UTC)
    return b"%s.%06dZ" % (second.strftime("%Y-%m-%dT%H:%M:%S").encode(), moment_us % 1_000_000)


class Devices:
    """All of them, on one connection."""

    def __init__(self, url: str, stream: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname or "", place.port or 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        user, password = unquote(place.username or "default"), unquote(place.password or "")
        self._socket.sendall(packed(b"AUTH", user.encode(), password.encode()))
        if not (answer := self._socket.recv(4096)).startswith(b"+OK"):
            raise ConnectionError(answer.decode())
        self._templates = templates(stream)
        self._next = 0
        self._last_us = 0
        self._lines = 0

    def send(self, pace: int, seconds: float) -> Sent:
        """Send at that pace for so long, and wait for all answers."""
        total = round(pace * seconds)
        sent, first_us, late_s = 0, 0, []
        self._lines = 0
        start_s = next_s = time.monotonic() + TICK_S
        while sent < total:
            while (now_s := time.monotonic()) < next_s:
                time.sleep(next_s - now_s)
            late_s.append(now_s - next_s)
            due = min(int((now_s - start_s) * pace) + 1, total)
            # What a device sends twice in one microsecond would be one row.
            while sent < due:
                count = min(due - sent, DEVICES)
                moment_us = self._send_tick(count)
                first_us = first_us or moment_us
                sent += count
            next_s = max(start_s + sent / pace, next_s + TICK_S)
            self._take_answers(socket.MSG_DONTWAIT)
        self._socket.settimeout(REPLY_BOUND_S)
        while self._lines < REPLY_LINES * total:
            self._take_answers()
        self._socket.settimeout(None)
        late_s.sort()
        return Sent(total, first_us, late_s[int(len(late_s) * 0.99)] * 1e3)

    def _send_tick(self, count: int) -> int:
        moment_us = self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
        stamp = _iso_us(moment_us)
        first = self._next
        self._next = (first + count) % TEMPLATES
        chosen = self._templates[first : first + count]
        chosen += islice(self._templates, count - len(chosen))
        self._socket.sendall(b"".join([stamp.join(pieces) for pieces in chosen]))
        return moment_us

    def _take_answers(self, flags: int = 0) -> None:
        try:
            answers = self._socket.recv(1 << 16, flags)
        except BlockingIOError:
            return
        # Ids alone; an error has one line, and nothing sensible follows.
        if not answers or answers.startswith(b"-"):
            raise ConnectionError(answers.decode() or "Redis has closed the connection")
        self._lines += answers.count(b"\r\n")


def main() -> None:
    """Do what standard input asks for, until it ends."""
    devices = Devices(os.environ["REDIS_URL"], os.environ["REDIS_TELEMETRY_STREAM"])
    gc.freeze()
    gc.disable()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(devices.send(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
