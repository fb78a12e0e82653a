"""`make drill`: `processor drill sigterm` on servers that it starts itself and removes afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.schema import create_database
from dev.servers import Choice, find_postgres, find_redis, launch_postgres, launch_redis

if TYPE_CHECKING:
    from collections.abc import Sequence

PROCESSOR = Path(sys.executable).with_name("processor")
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Drill with these arguments; the drill's exit code. Raises ServerError when a server does not start."""
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
        drill = subprocess.Popen(
            [PROCESSOR, "drill", "sigterm", *arguments], env={**os.environ, **urls}
        )
        while True:
            try:
                return drill.wait()
            except KeyboardInterrupt:
                continue  # The drill has got it too, and cleans up; a second one ends that.


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the drill itself had begun
        sys.exit(EXIT_INTERRUPTED)
