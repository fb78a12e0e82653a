"""`make drill` and `make load`: drills of a service, on servers that they start themselves and remove afterwards.

`make drill ARGS="tcp-ingestion --rounds 100"` drills tcp-ingestion; without its name it is the processor's. `make load`
is `processor drill load`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.schema import create_database
from dev.servers import Choice, find_postgres, find_redis, launch_postgres, launch_redis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAMS = Path(sys.executable).parent
PROCESSOR, TCP_INGESTION = "processor", "tcp-ingestion"
LOAD, SIGTERM = "load", "sigterm"
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Drill with these arguments; the drill's exit code. Raises ServerError when a server does not start."""
    if arguments[:1] == [TCP_INGESTION]:
        with launch_redis(find_redis(Choice.AUTO)) as redis:
            urls = {"REDIS_URL": redis.ingestion_url, "REDIS_ADMIN_URL": redis.drill_url}
            return drill(TCP_INGESTION, SIGTERM, arguments[1:], urls)
    is_load = arguments[:1] == [LOAD]
    with (
        launch_redis(find_redis(Choice.AUTO)) as redis,
        launch_postgres(find_postgres(Choice.AUTO)) as postgres,
    ):
        database = create_database(postgres, "positions")
        urls = {
            "REDIS_URL": redis.processor_url,
            "REDIS_ADMIN_URL": redis.drill_url,
            "POSTGRES_URL": database.processor_url,
            "POSTGRES_ADMIN_URL": database.admin_url,
        }
        if is_load:
            return drill(PROCESSOR, LOAD, arguments[1:], urls)
        return drill(PROCESSOR, SIGTERM, arguments, urls)


def drill(program: str, kind: str, arguments: Sequence[str], urls: Mapping[str, str]) -> int:
    """Hold it; its exit code."""
    drilling = subprocess.Popen(
        [PROGRAMS / program, "drill", kind, *arguments], env={**os.environ, **urls}
    )
    while True:
        try:
            return drilling.wait()
        except KeyboardInterrupt:
            continue  # The drill has got it too, and cleans up; a second one ends that.


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the drill itself had begun
        sys.exit(EXIT_INTERRUPTED)
