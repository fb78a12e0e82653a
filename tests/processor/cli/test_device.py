"""`processor device show` on real servers, with nobody running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from dev.servers import Database
    from tests.support.operators import Commands


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE positions RENAME TO elsewhere",
        "ALTER TABLE positions RENAME COLUMN speed TO pace",
        "REVOKE SELECT ON positions FROM processor",
    ],
)
def test_a_table_that_cannot_be_read_is_a_matter_of_the_schema(
    both: Commands, database: Database, change: str
) -> None:
    assert both("device", "show", "356307042441013", "--json").json["newest"] is None
    with psycopg.connect(database.admin_url, autocommit=True) as owner:
        owner.execute(change)
    ended = both("device", "show", "356307042441013", "--json")
    assert (ended.code, ended.out) == (5, "")
    assert "processor schema check" in ended.err
