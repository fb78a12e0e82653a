"""The rights that deploy/postgres/grants.sql gives, to a role that is new and to one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from dev.schema import GRANTS

if TYPE_CHECKING:
    from dev.servers import Database, PostgresServer

RIGHTS = """
    SELECT privilege_type FROM information_schema.table_privileges
    WHERE table_name = 'positions' AND grantee = 'processor' ORDER BY 1
"""
ROLE = """
    SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls
    FROM pg_roles WHERE rolname = 'processor'
"""


def test_the_role_may_log_in_and_nothing_else_beyond_its_rights(database: Database) -> None:
    with psycopg.connect(database.admin_url) as owner:
        assert owner.execute(ROLE).fetchone() == (True, False, False, False, False, False)
        found = [name for (name,) in owner.execute(RIGHTS).fetchall()]
        assert found == ["INSERT", "SELECT", "UPDATE"]


def test_again_it_takes_away_what_is_too_much_and_leaves_the_password(database: Database) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as owner:
        owner.execute("GRANT ALL ON positions TO processor")
        owner.execute(GRANTS.read_bytes())
        found = [name for (name,) in owner.execute(RIGHTS).fetchall()]
        assert found == ["INSERT", "SELECT", "UPDATE"]
    with psycopg.connect(database.processor_url) as processor:
        processor.execute("SELECT FROM positions")
        with pytest.raises(errors.InsufficientPrivilege):
            processor.execute("DELETE FROM positions")


def test_an_owner_who_is_no_superuser_can_run_it_where_the_role_is_there(
    database: Database, postgres_server: PostgresServer
) -> None:
    owner = f"owner_of_{database.name}"
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'p'".encode())
        admin.execute(f"ALTER DATABASE {database.name} OWNER TO {owner}".encode())
        admin.execute(f"ALTER TABLE positions OWNER TO {owner}".encode())
        admin.execute("REVOKE ALL ON positions FROM processor")
    place = f"{postgres_server.host}:{postgres_server.port}/{database.name}"
    try:
        with psycopg.connect(f"postgresql://{owner}:p@{place}") as connection:
            connection.execute(GRANTS.read_bytes())
        with psycopg.connect(database.processor_url) as processor:
            processor.execute("CREATE TEMPORARY TABLE staging (LIKE positions)")
    finally:
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {database.name} OWNER TO directus".encode())
            admin.execute(f"REASSIGN OWNED BY {owner} TO directus".encode())
            admin.execute(f"DROP OWNED BY {owner}".encode())
            admin.execute(f"DROP ROLE {owner}".encode())
