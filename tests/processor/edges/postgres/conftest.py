"""The owner of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of the owner of the schema; every statement is committed by itself."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield connection
