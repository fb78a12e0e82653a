"""The settings of a session: ours, whatever the URL, the environment, the role, the database or a pooler say.

They are set by statements, not by start-up parameters, which PgBouncer refuses or drops; and looked at afterwards.
Left to the owner is what only a superuser can give the role (such as `session_replication_role`), and
what makes no difference to rows, answers or waiting, since the rows are binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.edges.postgres.errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.edges.postgres.connection import TrioConnection

START_UP: Final = {"client_encoding": "UTF8"}
"""Said while connecting, which every pooler allows: the server's first words are to be readable."""

# An acknowledgement follows each commit. The owner may want more than that, never less.
_COMMITS_ENOUGH: Final = ("on", "remote_apply")

_IDENTIFY = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('synchronous_commit')"
# What this server does not know is left out: transaction_timeout before 17, TimescaleDB's without it.
_SET = """
SELECT pg_catalog.set_config(ours.name, ours.value, false)
FROM unnest(%s::text[], %s::text[]) AS ours (name, value)
JOIN pg_catalog.pg_settings theirs ON lower(theirs.name) = lower(ours.name)
"""
# In a statement of its own: what a pooler has set on another server is not seen here.
_LOOK = """
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
        # A night without positions is no reason to lose the connection.
        "idle_session_timeout": "0",
        "default_transaction_read_only": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        # Policies that appear while we run are to be an error, not rows that a probe does not see.
        "row_security": "off",
        # The warning that a commit did not wait for a standby has to reach us.
        "client_min_messages": "warning",
        # What is read comes as text: coordinates with all their digits.
        "extra_float_digits": "1",
        # For the owner's triggers, which are to do the same as for other writers.
        "DateStyle": "ISO, MDY",
        "TimeZone": "UTC",
        "search_path": '"$user", public',
        # For hypertables: a probe names its span, and to judge each chunk again for each key took
        # five times as long as the lookups themselves.
        "timescaledb.enable_runtime_exclusion": "off",
    }


async def identify(connection: TrioConnection) -> tuple[int, str]:
    """(the server's process, its synchronous_commit), before anything is set. Raises psycopg.Error."""
    found = await (await connection.execute(_IDENTIFY)).fetchone()
    assert found is not None, "a SELECT without FROM gives a row"
    pid, commits = found
    return int(pid), str(commits)


async def settle(connection: TrioConnection, ours: Mapping[str, str], *, commits: str) -> None:
    """Set everything, and look at it; `commits` is the owner's synchronous_commit.

    Raises psycopg.Error, with the name of a setting that is not as it should be.
    """
    enough = commits if commits in _COMMITS_ENOUGH else "on"
    wanted = {**ours, "synchronous_commit": enough}
    await connection.execute(_SET, (list(wanted), list(wanted.values())))
    for name, value in await (await connection.execute(_LOOK, (list(wanted),))).fetchall():
        if value != wanted[name]:
            raise Unfit(
                f"the session's {name} is {value!r} although it was set to {wanted[name]!r}:"
                " a pooler that shares sessions, or a hook of the server, changes it"
            )
