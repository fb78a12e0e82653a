"""Keeps the stage standing for a visit: says how to reach everything, and waits for Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.demo.stage import STREAM
from dev.servers import Choice, ServerError, find_postgres
from dev.servers.errors import log_tail

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from dev.demo.stage import Stage

LATEST = "SELECT device_id, ts, latitude, longitude, speed FROM positions ORDER BY ts DESC LIMIT 5"


def keep_running(stage: Stage, output: Path, console: Console) -> None:
    """Wait until Ctrl-C. Raises ServerError if the processor ends before."""
    password_file = write_password_file(stage, output)
    try:
        console.print(directions(stage, password_file), soft_wrap=True, markup=False)
        status = stage.processor.wait()
    finally:
        password_file.unlink()
    raise ServerError(f"the processor ended by itself with status {status}:\n{log_tail(stage.log)}")


def write_password_file(stage: Stage, output: Path) -> Path:
    """A PGPASSFILE for the owner, so that no password is shown."""
    file = output / "pgpass"
    file.touch(mode=0o600)
    postgres = stage.postgres
    file.write_text(f"{postgres.host}:{postgres.port}:*:directus:{postgres.admin_password}\n")
    return file


def directions(stage: Stage, password_file: Path) -> str:
    """Where everything is, with a line to copy for the rows."""
    postgres = stage.postgres
    psql = find_postgres(Choice.EMBEDDED).bin_dir / "psql"
    return f"""
Redis       {stage.redis.url}, stream {STREAM}
PostgreSQL  {postgres.host}:{postgres.port}, database {stage.database.name}
rows        PGPASSFILE={password_file} {psql} -h {postgres.host} -p {postgres.port} -U directus \
{stage.database.name} -c '{LATEST}'
metrics     {stage.processor_url}/metrics
log         tail -f {stage.log}

Ctrl-C stops all of it."""
