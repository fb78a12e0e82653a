r"""The limit: psql's \copy of the same rows from a file into the same empty table."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from bench.copy_rows import HEADER_BYTES, TRAILER, body
from bench.measure import BenchError, Cost
from bench.replies import read_reply
from processor.edges.postgres.copying import COPY_CHUNK_BYTES
from telemetry._codec import COLUMNS, Batch, Delivery, ReplyParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.stream.entry import Entry

TIMING = re.compile(r"^Time: ([\d.]+) ms", re.MULTILINE)


def write_rows_file(entries: Sequence[Entry], *, batch_rows: int, file: Path) -> None:
    """Write the rows as one binary COPY stream, in batches sorted by key, as the service sends them.

    The order matters to the server (index locality), so the limit has the same one.
    """
    header = b""
    with file.open("wb") as output:
        for first in range(0, len(entries), batch_rows):
            batch = _decode(entries[first : first + batch_rows])
            stream = b"".join(batch.copy_chunks(COPY_CHUNK_BYTES))
            if not header:
                header = stream[:HEADER_BYTES]
                output.write(header)
            output.write(body(stream))
        output.write(TRAILER)


def _decode(entries: Sequence[Entry]) -> Batch:
    parser = ReplyParser()
    parser.feed(read_reply(entries))
    delivery = parser.next_read()
    assert isinstance(delivery, Delivery)
    assert delivery.batch.records == len(entries), "the benchmark's own entries are valid"
    return delivery.batch


def copy_with_psql(psql: Path, database_url: str, file: Path) -> Cost:
    r"""One \copy. Wall time as psql's own \timing has it, without its start; CPU time of all of psql."""
    command = f"\\copy positions ({', '.join(COLUMNS)}) from '{file}' with (format binary)"
    argv: list[str | Path] = [
        psql,
        "--no-psqlrc",
        "--set=ON_ERROR_STOP=1",
        "--command=\\timing on",
        f"--command={command}",
    ]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", ""), **_libpq_environment(database_url)},
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode()
    timing = TIMING.search(printed)
    if process.returncode != 0 or timing is None:
        raise BenchError(f"\\copy failed with status {process.returncode}: {printed.strip()}")
    return Cost(cpu_s=usage.ru_utime + usage.ru_stime, wall_s=float(timing[1]) / 1000)


def _libpq_environment(database_url: str) -> dict[str, str]:
    """The URL's parts as libpq's variables: others could see a password in the arguments."""
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE"}
    names |= {"user": "PGUSER", "password": "PGPASSWORD"}
    return {names[key]: str(value) for key, value in conninfo_to_dict(database_url).items()}
