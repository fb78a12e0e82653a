"""The pictures of the service's page: when all is well, in an outage, in a drain, and on a telephone."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from redis import Redis

from dev.browser import DESK, TELEPHONE, launch_browser, open_page
from dev.schema import create_database
from dev.servers import (
    Choice,
    Database,
    PostgresServer,
    find_postgres,
    find_redis,
    launch_postgres,
    launch_redis,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from redis.typing import EncodableT, FieldT

PROCESSOR = Path(sys.executable).with_name("processor")
STREAM = "telemetry:teltonika"
DEVICES = 400
# Long enough that the sparklines have a course.
WARM_UP_S = 50
OUTAGE_S = 14
# Until records that are no Positions have failed often enough to be dead letters.
DEAD_LETTERS_S = 15
COLOURS = 64
SETTLED = "#verdict:not(.unknown)"
ENVIRONMENT = {
    "INSTANCE_ID": "processor-1",
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "DRAIN_BUDGET_MS": "20000",
    "CONNECT_BACKOFF_MAX_MS": "1000",
    "CLAIM_THRESHOLD_MS": "2000",
    "CLAIM_INTERVAL_MS": "500",
}


def take_page(directory: Path) -> None:
    """Take all of them. Raises ServerError if a server or the browser is missing."""
    with (
        launch_redis(find_redis(Choice.AUTO)) as redis,
        launch_postgres(find_postgres(Choice.AUTO)) as postgres,
        launch_browser() as browser,
        Redis.from_url(redis.admin_url) as client,
        _traffic(client) as bad_ones,
        _service(redis.processor_url, create_database(postgres, "positions")) as (process, url),
    ):
        time.sleep(WARM_UP_S)
        _take_light_and_dark(browser, url, directory, "well")
        _take(browser, url, directory / "page-well-telephone.png", size=TELEPHONE)
        bad_ones.set()
        time.sleep(DEAD_LETTERS_S)
        _take_trouble(browser, url, directory, postgres, process)


def _take_trouble(
    browser: Browser,
    url: str,
    directory: Path,
    postgres: PostgresServer,
    process: subprocess.Popen[bytes],
) -> None:
    postgres.process.kill()
    time.sleep(OUTAGE_S)
    _take_light_and_dark(browser, url, directory, "outage")
    _take(browser, url, directory / "page-outage-telephone.png", size=TELEPHONE)
    process.send_signal(signal.SIGTERM)
    time.sleep(3)
    _take_light_and_dark(browser, url, directory, "drain")


def _take_light_and_dark(browser: Browser, url: str, directory: Path, scene: str) -> None:
    _take(browser, url, directory / f"page-{scene}-light.png")
    _take(browser, url, directory / f"page-{scene}-dark.png", is_dark=True)


def _take(
    browser: Browser,
    url: str,
    path: Path,
    *,
    size: tuple[int, int] = DESK,
    is_dark: bool = False,
) -> None:
    with open_page(browser, url, size=size, scheme="dark" if is_dark else "light") as page:
        page.wait_for_selector(SETTLED)
        shot = page.screenshot(full_page=True)
    # A page of text has few colours: a palette makes the file a third as large.
    Image.open(BytesIO(shot)).convert("RGB").quantize(COLOURS).save(path, optimize=True)


@contextmanager
def _service(redis_url: str, database: Database) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running service, and the address of its page."""
    urls = {"REDIS_URL": redis_url, "POSTGRES_URL": database.processor_url}
    process = subprocess.Popen(
        [PROCESSOR, "run"],
        env={"PATH": os.defpath, **ENVIRONMENT, **urls},
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
def _traffic(client: Redis) -> Iterator[threading.Event]:
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
