"""The session's settings are ours, whatever the role, the database, the environment or the URL set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import UnfitSession
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.settings import apply_settings, identify, session_settings
from processor.edges.postgres.store import PostgresStore
from tests.support.batches import batch_of, position, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database

Owner = psycopg.Connection[Any]

LIMITS = StoreLimits(write_timeout_ms=10_000)
OURS = session_settings(statement_timeout_ms=20_000) | {"synchronous_commit": "on"}
# What a role, a database or a URL may set instead. Ours are set under their statement_timeout, on a busy machine.
THEIRS = {
    "client_encoding": "LATIN1",
    "synchronous_commit": "off",
    "statement_timeout": "250",
    "lock_timeout": "10",
    "idle_in_transaction_session_timeout": "10",
    "idle_session_timeout": "600000",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "on",
    "client_min_messages": "error",
    "extra_float_digits": "-10",
    "DateStyle": "German",
    "TimeZone": "Asia/Tokyo",
    "search_path": "pg_catalog",
}
NEWER_OR_ELSEWHERE = {"transaction_timeout", "timescaledb.enable_runtime_exclusion"}


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=LIMITS)
    yield store
    await store.aclose()


async def settings_of(store: PostgresStore) -> dict[str, str]:
    connection = store._session.connection
    assert connection is not None
    found = await (
        await connection.execute(
            "SELECT ours.name, theirs.setting FROM unnest(%s::text[]) ours (name)"
            " JOIN pg_settings theirs ON lower(theirs.name) = lower(ours.name)",
            (list(OURS),),
        )
    ).fetchall()
    return {str(name): str(value) for name, value in found}


def test_every_setting_of_ours_has_an_opponent_here() -> None:
    assert OURS.keys() - NEWER_OR_ELSEWHERE == THEIRS.keys()
    assert all(OURS[name] != value for name, value in THEIRS.items())


@pytest.mark.parametrize("of", ["ROLE processor IN DATABASE {}", "DATABASE {}"])
async def test_the_session_has_our_settings_whatever_the_role_or_the_database_say(
    store: PostgresStore, owner: Owner, database: Database, of: str
) -> None:
    for name, value in THEIRS.items():
        owner.execute(f"ALTER {of.format(database.name)} SET {name} = '{value}'".encode())
    await store.connect()
    found = await settings_of(store)
    assert found == {name: OURS[name] for name in found}
    assert found.keys() >= THEIRS.keys()


async def test_the_options_of_the_url_are_passed_on_and_ours_win(database: Database) -> None:
    url = f"{database.processor_url}?options=-c%20synchronous_commit%3Doff%20-c%20work_mem%3D5MB"
    store = PostgresStore(url, instance_id="processor-1", limits=LIMITS)
    await store.connect()
    assert (await settings_of(store))["synchronous_commit"] == "on"
    connection = store._session.connection
    assert connection is not None
    assert await (await connection.execute("SHOW work_mem")).fetchone() == ("5MB",)
    await store.aclose()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")],
)
async def test_a_commit_waits_for_no_less_than_on_and_for_as_much_as_the_owner_wants(
    store: PostgresStore, owner: Owner, database: Database, theirs: str, ours: str
) -> None:
    role = f"ALTER ROLE processor IN DATABASE {database.name} SET synchronous_commit = {theirs}"
    owner.execute(role.encode())
    await store.connect()
    assert (await settings_of(store))["synchronous_commit"] == ours


@pytest.mark.parametrize("by", ["role", "database", "environment", "url"])
async def test_text_is_stored_as_it_was_sent_whatever_encoding_is_set_elsewhere(
    database: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch, by: str, way: str
) -> None:
    url = database.processor_url
    match by:
        case "role":
            owner.execute(
                f"ALTER ROLE processor IN DATABASE {database.name} SET client_encoding = LATIN1".encode()
            )
        case "database":
            owner.execute(f"ALTER DATABASE {database.name} SET client_encoding = LATIN1".encode())
        case "environment":
            monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
        case "url":
            url += "?client_encoding=LATIN1"
    store = PostgresStore(url, instance_id="processor-1")
    await getattr(store, way)(batch_of([position(0, 0, device_id="Çelësi")]))
    await store.aclose()
    monkeypatch.delenv("PGCLIENTENCODING", raising=False)
    with psycopg.connect(database.admin_url, client_encoding="UTF8") as reader:
        assert reader.execute("SELECT device_id FROM positions").fetchall() == [("Çelësi",)]


async def test_a_setting_that_does_not_hold_is_named(database: Database) -> None:
    async with await TrioConnection.connect(database.processor_url) as connection:
        _, commits = await identify(connection)
        # As a server reports it that makes something else of what was set.
        with pytest.raises(
            UnfitSession, match="the session's statement_timeout is '1000' although"
        ):
            await apply_settings(connection, {"statement_timeout": "1s"}, commits=commits)


async def test_our_settings_hold_for_a_trigger_of_the_owner_too(
    store: PostgresStore, owner: Owner, database: Database
) -> None:
    """A trigger that names its tables without a schema finds them, however the role's path is set."""
    owner.execute(
        "CREATE TABLE seen (device_id text); GRANT INSERT ON seen TO processor;"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO seen VALUES (new.device_id); RETURN new; END $$;"
        "CREATE TRIGGER see BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION see()"
    )
    owner.execute(
        f"ALTER ROLE processor IN DATABASE {database.name} SET search_path = pg_catalog".encode()
    )
    assert (await store.copy_direct(rows(10))).inserted == 10
    assert owner.execute("SELECT count(*) FROM seen").fetchone() == (10,)
