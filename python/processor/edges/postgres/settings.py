"""The settings of a session: ours, whatever the URL, the environment, the role, the database or a pooler set.

They are set by statements, not by start-up parameters, which PgBouncer refuses or drops, and read back afterwards.
The owner decides what only a superuser can give the role (such as `session_replication_role`), and what makes
no difference to rows, answers or waiting, since the rows are binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.edges.postgres.errors import UnfitSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.edges.postgres.connection import TrioConnection

START_UP: Final = {"client_encoding": "UTF8"}
"""Sent while connecting, which every pooler allows, so that the server's first messages are readable."""

# An acknowledgement follows each commit. The owner may set more than that, never less.
_COMMITS_ENOUGH: Final = ("on", "remote_apply")

_IDENTIFY = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('synchronous_commit')"
# Settings that this server does not know are left out: transaction_timeout before 17, TimescaleDB's without it.
_SET = """
SELECT pg_catalog.set_config(ours.name, ours.value, %s)
FROM unnest(%s::text[], %s::text[]) AS ours (name, value)
JOIN pg_catalog.pg_settings theirs ON lower(theirs.name) = lower(ours.name)
"""
# A separate statement, so that a pooler may send it to another server, which shows its own settings.
_READ_BACK = """
SELECT ours.name, theirs.setting
FROM unnest(%s::text[]) AS ours (name)
JOIN pg_catalog.pg_settings theirs ON lower(theirs.name) = lower(ours.name)
"""


def session_settings(*, statement_timeout_ms: int) -> dict[str, str]:
    """Name and value, as pg_settings shows it, of everything that is set."""
    return START_UP | {
        # The backstop for a command whose client has vanished, lock waits included.
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": "0",
        # For a client that vanished between the statements of a canary, which may hold a lock.
        "idle_in_transaction_session_timeout": str(statement_timeout_ms),
        "transaction_timeout": "0",
        # A night without positions must not cost the connection.
        "idle_session_timeout": "0",
        "default_transaction_read_only": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        # A policy that appears while we run must be an error, not hide rows from a probe.
        "row_security": "off",
        # We need the warning that a commit did not wait for a standby.
        "client_min_messages": "warning",
        # Answers come as text: coordinates with all their digits.
        "extra_float_digits": "1",
        # For the owner's triggers, which must do the same as for other writers.
        "DateStyle": "ISO, MDY",
        "TimeZone": "UTC",
        "search_path": '"$user", public',
        # For hypertables: a probe names its span, and excluding chunks again for each key took five
        # times as long as the lookups themselves.
        "timescaledb.enable_runtime_exclusion": "off",
    }


async def identify(connection: TrioConnection) -> tuple[int, str]:
    """(the server's process, its synchronous_commit), before anything is set. Raises psycopg.Error."""
    found = await (await connection.execute(_IDENTIFY)).fetchone()
    assert found is not None, "a SELECT without FROM gives a row"
    pid, commits = found
    return int(pid), str(commits)


async def apply_settings(
    connection: TrioConnection, ours: Mapping[str, str], *, commits: str
) -> None:
    """Set everything, and read it back; `commits` is the owner's synchronous_commit.

    Raises psycopg.Error, with the name of a setting that is not as it should be.
    """
    enough = commits if commits in _COMMITS_ENOUGH else "on"
    wanted = {**ours, "synchronous_commit": enough}
    await connection.execute(_SET, (False, list(wanted), list(wanted.values())))
    for name, value in await (await connection.execute(_READ_BACK, (list(wanted),))).fetchall():
        if value != wanted[name]:
            raise UnfitSession(
                f"the session's {name} is {value!r} although it was set to {wanted[name]!r}:"
                " a pooler that shares sessions, or a hook of the server, changes it"
            )


async def apply_in_transaction(connection: TrioConnection, ours: Mapping[str, str]) -> None:
    """Set everything until the end of the transaction. Raises psycopg.Error."""
    await connection.execute(_SET, (True, list(ours), list(ours.values())))
