"""Tables to write to, as they are before a run: a plain one and, with TimescaleDB, a hypertable."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from bench.servers import HYPERTABLE, MAKE_PLAIN, PLAIN, POSTGRES_SETTINGS
from dev.schema import create_database
from dev.servers import Choice, find_postgres, launch_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database


@dataclass(frozen=True)
class BenchTable:
    """`positions` of one kind, in a separate database."""

    kind: str
    server: str
    database: Database
    owner: psycopg.Connection[Any]

    def empty(self) -> None:
        """Remove all rows, and make PostgreSQL write out the pages that the last run left dirty."""
        self.owner.execute("TRUNCATE positions")
        self.owner.execute("CHECKPOINT")

    def rows(self) -> int:
        """Rows in the table."""
        [count] = self.owner.execute("SELECT count(*) FROM positions").fetchone() or (0,)
        return int(count)


@contextlib.contextmanager
def launch_tables(choice: Choice, *, fsync: bool = False) -> Iterator[list[BenchTable]]:
    """Start a server with each kind of table that it can have. Raises ServerError."""
    binaries = find_postgres(choice)
    settings = {**POSTGRES_SETTINGS, "fsync": "on" if fsync else "off"}
    kinds = [PLAIN] if binaries.timescaledb is None else [PLAIN, HYPERTABLE]
    with launch_postgres(binaries, settings=settings) as server, contextlib.ExitStack() as stack:
        tables = []
        for number, kind in enumerate(kinds):
            database = create_database(server, f"bench_{number}")
            owner = stack.enter_context(psycopg.connect(database.admin_url, autocommit=True))
            if kind == PLAIN:
                owner.execute(MAKE_PLAIN)
            tables.append(BenchTable(kind, str(binaries), database, owner))
        yield tables
