"""The pictures of the service's page: when all is well, in an outage, in a drain, and on a telephone."""

from __future__ import annotations

import signal
import time
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from redis import Redis

from dev.browser import DESK, TELEPHONE, launch_browser, open_page
from dev.pictures.fleet import service, traffic
from dev.schema import create_database
from dev.servers import (
    Choice,
    PostgresServer,
    find_postgres,
    find_redis,
    launch_postgres,
    launch_redis,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from playwright.sync_api import Browser

# Long enough that the sparklines have a course.
WARM_UP_S = 50
OUTAGE_S = 14
# Until records that are no Positions have failed often enough to be dead letters.
DEAD_LETTERS_S = 15
COLOURS = 64
SETTLED = "#verdict:not(.unknown)"


def take_page(directory: Path) -> None:
    """Take all of them. Raises ServerError if a server or the browser is missing."""
    with (
        launch_redis(find_redis(Choice.AUTO)) as redis,
        launch_postgres(find_postgres(Choice.AUTO)) as postgres,
        launch_browser() as browser,
        Redis.from_url(redis.admin_url) as client,
        traffic(client) as bad_ones,
        service(redis.processor_url, create_database(postgres, "positions")) as (process, url),
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
