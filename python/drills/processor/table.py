"""Observe, PostgreSQL: the drill's rows in the table are found, and removed or hidden, on its own sessions."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.urls import ENCODE, split_url
from telemetry.chassis.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from drills.identity import Identity

_TABLE = "positions"
_MAY_DELETE = f"SELECT current_user::text, has_table_privilege('{_TABLE}', 'DELETE')"
_TURNS = (
    f"SELECT round(extract(epoch FROM ts - %s) * 1000)::bigint FROM {_TABLE} WHERE device_id = %s"
)
_ROWS_BY_TURN = (
    f"SELECT round(extract(epoch FROM ts - %s) * 1000)::bigint, count(*) FROM {_TABLE}"
    " WHERE device_id = ANY(%s) AND ts >= %s GROUP BY 1"
)
_ROWS_AT = f"SELECT device_id FROM {_TABLE} WHERE device_id = ANY(%s) AND ts = %s"
_DELETE = f"DELETE FROM {_TABLE} WHERE device_id = ANY(%s)"
_MARK = f"UPDATE {_TABLE} SET faulty = true WHERE device_id = ANY(%s) AND NOT faulty"
_WRITERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)
_CONNECT_S_MAX = 30
_PORT = "5432"
_LOCAL = "local socket"
_ACCEPTED = "accepted: postgres:// or postgresql://[user:password@]host[:port][,host...]/database[?option=value]"


class PostgresPlace(NamedTuple):
    """Where a URL leads to; never a credential."""

    host: str
    """A name, the directory of a socket, or several of them with commas between."""
    port: str

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    def single(self) -> tuple[str, int]:
        """Host and port. Raises ConfigError unless there is exactly one host."""
        if "," in self.host or self.host == _LOCAL:
            raise ConfigError(
                "POSTGRES_URL: --fault freeze-postgres puts a relay before the server: name exactly one host"
            )
        return self.host, int(self.port)


def postgres_place(url: str) -> PostgresPlace:
    """The place in a PostgreSQL URL, as libpq reads it. Raises Unacceptable, which quotes nothing of the URL."""
    split_url(url, ("postgres", "postgresql"), _ACCEPTED)
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Unacceptable(f"is refused by libpq; {ENCODE}; {_ACCEPTED}") from None
    # Where several hosts name no port, libpq leaves the commas.
    place = PostgresPlace(
        str(options.get("host") or options.get("hostaddr") or _LOCAL),
        str(options.get("port") or "").strip(",") or _PORT,
    )
    # A raw `@` in a password makes a part of it host or port.
    if "@" in place.where or not place.port.replace(",", "").isdecimal():
        raise Unacceptable(f"has no valid host and port; {ENCODE}")
    return place


class DrillTable:
    """The table, asked directly. Methods block and raise EdgeError.

    `cleaner` is the session that removes or hides the rows.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        cleaner: psycopg.Connection,
        identity: Identity,
        where: str,
    ) -> None:
        self._connection = connection
        self._cleaner = cleaner
        self._identity = identity
        self._where = where

    def role_without_delete(self) -> str | None:
        """The role that cannot remove the drill's rows; None if it can."""
        [(role, may)] = self._ask(self._cleaner, _MAY_DELETE)
        return None if may else str(role)

    def turns_ms(self, device_id: str, start: datetime) -> list[int]:
        """How many milliseconds after `start` each row of a device is; a key with two rows is there twice."""
        return [turn for (turn,) in self._ask(self._connection, _TURNS, start, device_id)]

    def rows_by_turn(self, start: datetime, first_ms: int) -> dict[int, int]:
        """How many rows each turn has, from the one on that is `first_ms` after `start`."""
        since = start + timedelta(milliseconds=first_ms)
        devices = list(self._identity.device_ids)
        return dict(self._ask(self._connection, _ROWS_BY_TURN, start, devices, since))

    def devices_at(self, moment: datetime) -> frozenset[str]:
        """The drill's devices that have a row at this moment."""
        devices = list(self._identity.device_ids)
        return frozenset(
            str(each) for (each,) in self._ask(self._connection, _ROWS_AT, devices, moment)
        )

    def writers(self) -> int:
        """Sessions of the service under test that are still open."""
        [(count,)] = self._ask(self._connection, _WRITERS, self._identity.name)
        return int(count)

    def delete(self) -> int:
        """Remove the drill's rows; how many."""
        return self._change(_DELETE)

    def mark_faulty(self) -> int:
        """Hide the drill's rows from every reader; how many."""
        return self._change(_MARK)

    def _ask(
        self, connection: psycopg.Connection, query: str, *values: object
    ) -> list[tuple[Any, ...]]:
        with _errors_translated(self._where):
            return connection.execute(query.encode(), values).fetchall()

    def _change(self, statement: str) -> int:
        with _errors_translated(self._where):
            devices = list(self._identity.device_ids)
            return self._cleaner.execute(statement.encode(), (devices,)).rowcount


@dataclass(frozen=True, slots=True)
class TableUrls:
    """POSTGRES_URL, and the one of a role that may remove rows where the first may not."""

    service: str
    cleaner: str | None


@contextmanager
def drill_table(urls: TableUrls, identity: Identity) -> Iterator[DrillTable]:
    """Connect to the table. Blocks. Raises EdgeError, and ConfigError for a URL that is wrong."""
    with ExitStack() as stack:
        connection, where = _connect(urls.service, "POSTGRES_URL")
        cleaner = stack.enter_context(closing(connection))
        if urls.cleaner is not None:
            another, _ = _connect(urls.cleaner, "POSTGRES_ADMIN_URL")
            cleaner = stack.enter_context(closing(another))
        yield DrillTable(connection, cleaner, identity, where)


def _connect(url: str, variable: str) -> tuple[psycopg.Connection, str]:
    try:
        where = postgres_place(url).where
    except Unacceptable as fault:
        raise ConfigError(f"{variable}: {fault}") from None
    with _errors_translated(where):
        return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_S_MAX), where


@contextmanager
def _errors_translated(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # Without detail and context, which quote rows.
        text = error.diag.message_primary or str(error) or type(error).__name__
        raise EdgeError(" ".join(text.split()), where=where) from error
