"""The picture of `processor top`: two instances at work, on servers that it starts itself."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redis import Redis
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from dev.schema import create_database
from dev.servers import Choice, find_postgres, find_redis, launch_postgres, launch_redis
from processor.cli.top_screen import screen
from processor.operating.access import open_stream
from processor.operating.top.history import History
from processor.operating.top.sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.typing import EncodableT, FieldT

PROCESSOR: Final = Path(sys.executable).with_name("processor")
STREAM: Final = "telemetry:teltonika"
# Enough that the sparklines are full.
SAMPLES: Final = 64
COLUMNS, LINES = 100, 24
# The font that rich's own form loads from elsewhere.
FONT: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def take_top(directory: Path) -> None:
    """Take it, as SVG. Raises ServerError if a server is missing."""
    with ExitStack() as stack:
        redis = stack.enter_context(launch_redis(find_redis(Choice.AUTO)))
        postgres = stack.enter_context(launch_postgres(find_postgres(Choice.AUTO)))
        database = create_database(postgres, "positions")
        environ = {
            "REDIS_URL": redis.processor_url,
            "POSTGRES_URL": database.processor_url,
            "CLAIM_THRESHOLD_MS": "3000",
            "CLAIM_INTERVAL_MS": "1000",
        }
        for number in (1, 2):
            stack.enter_context(_service({**environ, "INSTANCE_ID": f"processor-{number}"}))
        client = stack.enter_context(Redis.from_url(redis.admin_url))
        stack.enter_context(_traffic(client))
        access = stack.enter_context(open_stream({"REDIS_URL": redis.operator_url}))
        sampler = Sampler(access)
        history = History(sampler.take())
        for _ in range(SAMPLES):
            time.sleep(1)
            history.take(sampler.take())
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            console = Console(
                record=True, width=COLUMNS, height=LINES, file=nowhere, force_terminal=True
            )
            console.print(screen(history.view, access, width=COLUMNS, height=LINES))
        form = FONT.sub("", CONSOLE_SVG_FORMAT)
        picture = console.export_svg(title="processor top", code_format=form, unique_id="top")
    (directory / "top.svg").write_text(picture, encoding="utf-8")


@contextmanager
def _service(environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [PROCESSOR, "run"],
        env={"PATH": os.defpath, "METRICS_HOST": "127.0.0.1", "METRICS_PORT": "0", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    log = process.stdout
    assert log is not None
    try:
        next(line for line in map(json.loads, log) if line["msg"] == "processor ready")
        threading.Thread(target=log.read, daemon=True).start()
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _traffic(client: Redis) -> Iterator[None]:
    """Positions that come and go like a fleet's; a few twice, and now and then one that cannot be read."""
    stop = threading.Event()

    def publish() -> None:
        number = 0
        while not stop.wait(0.1):
            with client.pipeline(transaction=False) as pipeline:
                for _ in range(int(140 + 90 * math.sin(time.monotonic() / 5))):
                    number += 1
                    pipeline.xadd(STREAM, _entry(number))
                pipeline.execute()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _entry(number: int) -> dict[FieldT, EncodableT]:
    serial = number - 7 if number % 19 == 0 else number
    at = datetime.now(UTC) - timedelta(hours=1)
    device_id = f"{356307042440000 + serial % 400}"
    position = {
        "device_id": device_id,
        "timestamp": (at.replace(microsecond=0) + timedelta(microseconds=serial)).isoformat(),
        "latitude": 41.3275,
        "longitude": 190 if number % 5_000 == 0 else 19.8187,
        "altitude": 110,
        "angle": number % 360,
        "speed": number % 90,
        "satellites": 14,
        "priority": 0,
        "attributes": {"239": 1, "66": 12710},
    }
    return {"codec": "8E", "device_id": device_id, "payload": json.dumps(position)}


if __name__ == "__main__":
    take_top(Path(__file__).parents[2] / "docs" / "pictures")
