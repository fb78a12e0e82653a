"""Tables of several origins."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage

# As the old service's migrations made the table: a primary key instead of the unique index alone.
OLD_MIGRATIONS = (
    "DROP INDEX positions_device_ts",
    "ALTER TABLE positions ADD CONSTRAINT positions_pkey PRIMARY KEY (device_id, ts)",
    "CREATE TABLE migrations_applied (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())",
)


def with_database(url: str, name: str, *, password: str | None = None) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(url)
    authority = parts.netloc
    if password is not None:
        authority = f"processor:{password}@{authority.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=authority, path=f"/{name}"))


@contextmanager
def databases(stage: Stage, *names: str) -> Iterator[None]:
    """Empty databases for the block."""
    with stage.servers.owner() as owner:
        for name in names:
            owner.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield
        finally:
            for name in names:
                owner.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def apply(url: str, *statements: str) -> None:
    """Run the schema's files, and statements."""
    files = [path.read_text() for path in sorted((ROOT / "dev/schema").glob("*.sql"))]
    with psycopg.connect(url, autocommit=True) as connection:
        for text in (*files, *statements):
            connection.execute(text.encode())


def first_start(stage: Stage) -> Iterator[Mapping[str, str]]:
    """An empty database, and a checkout."""
    for name in ("dev", "deploy"):
        (stage.directory / name).symlink_to(ROOT / name)
    servers, own = stage.servers, urlsplit(stage.servers.database.processor_url)
    name = "first_start"
    with databases(stage, name):
        yield {
            "POSTGRES_ADMIN_URL": with_database(servers.database.admin_url, name),
            "POSTGRES_URL": with_database(
                servers.database.processor_url, name, password="a-password-of-your-own"
            ),
        }
        # The role is the whole server's: other tests go on with its old password.
        servers.own(f"ALTER ROLE processor PASSWORD '{own.password}'")


def two_origins(stage: Stage) -> Iterator[Mapping[str, str]]:
    """The old migrations' table, and that of Directus' db-init."""
    admin = stage.servers.database.admin_url
    old, new = with_database(admin, "old_origin"), with_database(admin, "new_origin")
    with databases(stage, "old_origin", "new_origin"):
        apply(old, *OLD_MIGRATIONS)
        apply(new)
        urls = {"OLD_URL": old, "NEW_URL": new, "PRODUCTION_URL": admin}
        yield urls
        yield urls
