"""The picture of `processor top`: two instances at work, on servers that it starts itself."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from redis import Redis
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from dev.pictures.fleet import service, traffic
from dev.schema import create_database
from dev.servers import Choice, find_postgres, find_redis, launch_postgres, launch_redis
from processor.cli.top_screen import screen
from processor.operating.access import open_stream
from processor.operating.top.history import History
from processor.operating.top.sampling import Sampler

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
        for name in ("processor-1", "processor-2"):
            stack.enter_context(service(redis.processor_url, database, INSTANCE_ID=name))
        client = stack.enter_context(Redis.from_url(redis.admin_url))
        stack.enter_context(traffic(client)).set()
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
