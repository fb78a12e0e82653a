"""What is to be seen on the pictures: a fleet's traffic, and a service that writes it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis
    from redis.typing import EncodableT, FieldT

    from dev.servers import Database

PROCESSOR = Path(sys.executable).with_name("processor")
STREAM = "telemetry:teltonika"
DEVICES = 400
ENVIRONMENT = {
    "INSTANCE_ID": "processor-1",
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "DRAIN_BUDGET_MS": "20000",
    "CONNECT_BACKOFF_MAX_MS": "1000",
    "CLAIM_THRESHOLD_MS": "2000",
    "CLAIM_INTERVAL_MS": "500",
}


@contextmanager
def service(
    redis_url: str, database: Database, **changes: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running service, and the address of its page; keywords change its environment."""
    urls = {"REDIS_URL": redis_url, "POSTGRES_URL": database.processor_url}
    process = subprocess.Popen(
        [PROCESSOR, "run"],
        env={"PATH": os.defpath, **ENVIRONMENT, **urls, **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    log = process.stdout
    assert log is not None
    try:
        ready = next(line for line in map(json.loads, log) if line["msg"] == "processor ready")
        threading.Thread(target=log.read, daemon=True).start()
        yield process, f"http://{ready['metrics']}/"
    finally:
        process.kill()
        process.wait()


@contextmanager
def traffic(client: Redis) -> Iterator[threading.Event]:
    """Positions that come and go like a fleet's, a few of them twice; once the event is set, now and then a bad one."""
    stop, bad_ones = threading.Event(), threading.Event()

    def publish() -> None:
        number = 0
        while not stop.wait(0.1):
            with client.pipeline(transaction=False) as pipeline:
                for _ in range(int(140 + 90 * math.sin(time.monotonic() / 5))):
                    number += 1
                    is_bad = bad_ones.is_set() and number % 1_000 == 0
                    pipeline.xadd(STREAM, _entry(number, longitude=190 if is_bad else 19.8187))
                pipeline.execute()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield bad_ones
    finally:
        stop.set()
        thread.join()


def _entry(number: int, *, longitude: float) -> dict[FieldT, EncodableT]:
    serial = number - 7 if number % 97 == 0 else number
    at = datetime.now(UTC) - timedelta(hours=1) + timedelta(microseconds=serial)
    device_id = f"{356307042440000 + serial % DEVICES}"
    position = {
        "device_id": device_id,
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "latitude": 41.3275,
        "longitude": longitude,
        "altitude": 110,
        "angle": number % 360,
        "speed": number % 90,
        "satellites": 14,
        "priority": 0,
        "attributes": {"239": 1, "66": 12710},
    }
    return {"codec": "8E", "device_id": device_id, "payload": json.dumps(position)}
