"""Plays Directus: owns the schema fixture, `NNN_*.sql` as in Directus's `db-init`, and applies it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from dev.servers.postgres import Database

SCHEMA_DIR = Path(__file__).parent
GRANTS = SCHEMA_DIR.parents[1] / "deploy" / "postgres" / "grants.sql"


def apply_schema(admin_url: str, *, processor_password: str) -> None:
    """Apply the files in order and the grants, in one transaction, as the owner; idempotent."""
    with psycopg.connect(admin_url) as connection:
        for file in (*sorted(SCHEMA_DIR.glob("[0-9][0-9][0-9]_*.sql")), GRANTS):
            connection.execute(file.read_bytes())
        connection.execute(sql.SQL("ALTER ROLE processor PASSWORD {}").format(processor_password))


def create_database(server: PostgresServer, name: str) -> Database:
    """Make database `name` with the schema in it."""
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    database = server.database(name)
    apply_schema(database.admin_url, processor_password=server.processor_password)
    return database


def drop_database(server: PostgresServer, name: str) -> None:
    """Drop database `name`, and end the sessions that are connected to it."""
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
