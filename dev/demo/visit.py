"""Keeps the system running for a visit: prints how to reach everything, and waits for Ctrl-C."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dev.demo.system import STREAM, TCP_INGESTION
from dev.servers import Choice, ServerError, find_postgres
from dev.servers.errors import log_tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from dev.demo.system import System

LATEST = "SELECT device_id, ts, latitude, longitude, speed FROM positions ORDER BY ts DESC LIMIT 5"


def keep_running(system: System, output: Path, console: Console) -> None:
    """Wait until Ctrl-C, which ends a visit well. Raises ServerError if the processor ends before."""
    # The first Ctrl-C is the last that is raised: nothing interrupts what follows.
    with contextlib.suppress(KeyboardInterrupt), password_file(system, output) as passwords:
        console.print(directions(system, passwords), soft_wrap=True, markup=False)
        status = system.processor.wait()
        raise ServerError(
            f"the processor ended by itself with status {status}:\n{log_tail(system.log)}"
        )


@contextlib.contextmanager
def password_file(system: System, output: Path) -> Iterator[Path]:
    """A PGPASSFILE for the owner while the visit lasts, so that no password is shown."""
    file, postgres = output / "pgpass", system.postgres
    try:
        file.touch(mode=0o600)
        file.write_text(f"{postgres.host}:{postgres.port}:*:directus:{postgres.admin_password}\n")
        yield file
    finally:
        file.unlink(missing_ok=True)


def directions(system: System, passwords: Path) -> str:
    """Where everything is, with a line to copy for the rows."""
    postgres = system.postgres
    psql = find_postgres(Choice.EMBEDDED).bin_dir / "psql"
    return f"""
Redis       127.0.0.1:{system.redis.port}, stream {STREAM}
PostgreSQL  {postgres.host}:{postgres.port}, database {system.database.name}
rows        PGPASSFILE={passwords} {psql} -h {postgres.host} -p {postgres.port} -U directus \
{system.database.name} -c '{LATEST}'
devices     {system.ingestion_address}, so: {TCP_INGESTION} simulate {system.ingestion_address}
metrics     {system.processor_url}/metrics
logs        tail -f {system.log} {system.ingestion_log}

Ctrl-C stops all of it."""
