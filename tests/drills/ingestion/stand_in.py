"""A small stand-in for tcp-ingestion, honest or with one broken guarantee, which its argument names."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
from typing import Any

import redis

from telemetry._codec import AvlFrame, decode_avl

FAULT = sys.argv[1]
ENTRY = {"device_id": "009980000000012", "ts": "2026-05-01T09:30:00.000Z", "codec": "8"}


class Device(socketserver.StreamRequestHandler):
    """One connection: a login, then frames until its end."""

    server: StandIn

    def handle(self) -> None:
        imei = self.rfile.read(17)[2:].decode()
        self.wfile.write(b"\x01")
        while len(header := self.rfile.read(8)) == 8:
            frame = header + self.rfile.read(int.from_bytes(header[4:]) + 4)
            [decoded] = decode_avl(frame, imei, resync=False)
            if not isinstance(decoded, AvlFrame):
                continue
            self.server.publish(imei, decoded)
            count = len(decoded.records) + (FAULT == "answer-wrong" and self.server.turn() == 5)
            self.wfile.write(count.to_bytes(4))


class StandIn(socketserver.ThreadingTCPServer):
    """Publishes what devices send, but for its fault."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", int(os.environ["TELTONIKA_PORT"])), Device)
        self.redis = redis.Redis.from_url(os.environ["REDIS_URL"], driver_info=None)
        self.stream = os.environ["REDIS_TELEMETRY_STREAM"]
        self._turns = 0

    def turn(self) -> int:
        self._turns += 1
        return self._turns

    def publish(self, imei: str, frame: AvlFrame) -> None:
        dropped = FAULT == "answer-and-drop" and self.turn() == 5
        for record in frame.records[dropped:]:
            self.add({"device_id": imei, "ts": record.timestamp, "codec": frame.codec})
        if FAULT == "invent" and self.turn() == 5:
            self.add(ENTRY)

    def add(self, entry: dict[Any, Any]) -> None:
        self.redis.xadd(self.stream, {**entry, "payload": "{}"})

    def handle_error(self, *_: object) -> None:
        """Devices come and go."""


def say(message: str) -> None:
    sys.stdout.write(json.dumps({"msg": message}) + "\n")
    sys.stdout.flush()


def main() -> int:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with StandIn() as stand_in:
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        say("tcp-ingestion ready")
        stopping.wait()
        stand_in.shutdown()
    say("shutdown: clean exit")
    return 1 if FAULT == "fail" else 0


if __name__ == "__main__":
    code = main()
    # Connections' threads may still be answering: a stand-in drains nothing.
    sys.stdout.flush()
    os._exit(code)
