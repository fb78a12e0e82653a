"""The form of real tables: each kind of difference is found, and tables that were made otherwise are equal.

On the run's PostgreSQL and on the embedded one, which is newer.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from dev.schema import create_database
from dev.servers import Choice, find_postgres, launch_postgres
from processor.core.table_diff import Difference, differences, remarks
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.table_form import read_standing, read_table_form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dev.servers import Database, PostgresBinaries
    from processor.core.table_diff import Standing, TableForm

NAMED_NOT_NULL_SINCE = 18
HOLD = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN {}; END $$;"
TRIGGER = "CREATE TRIGGER hold BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION hold();"
# As an older owner of the schema wrote it: other order, other spellings, names made up.
OTHERWISE: Final = """
    DROP TABLE positions;
    CREATE TABLE positions (
        faulty bool DEFAULT 'f', attributes jsonb, codec text, priority int2, satellites int2, speed float4,
        gone int, angle float4, altitude float4, longitude float8, latitude float,
        ingested_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
        ts timestamptz NOT NULL, device_id text NOT NULL
    );
    ALTER TABLE positions DROP gone, ALTER faulty SET NOT NULL, ALTER attributes SET NOT NULL,
        ALTER codec SET NOT NULL, ALTER priority SET NOT NULL, ALTER satellites SET NOT NULL,
        ALTER speed SET NOT NULL, ALTER angle SET NOT NULL, ALTER altitude SET NOT NULL,
        ALTER longitude SET NOT NULL, ALTER latitude SET NOT NULL;
    CREATE INDEX ON positions (ts DESC);
    CREATE INDEX positions_faulty_idx ON public.positions USING btree (device_id ASC, ts DESC NULLS FIRST)
        WHERE (NOT (faulty));
    CREATE UNIQUE INDEX ON positions (device_id, ts);
"""


@pytest.fixture(scope="module", params=["the run's", "the embedded"])
def table(
    request: pytest.FixtureRequest, postgres_binaries: PostgresBinaries
) -> Iterator[Database]:
    """A plain table, on one server after the other."""
    binaries = postgres_binaries if request.param == "the run's" else find_postgres(Choice.EMBEDDED)
    # Without TimescaleDB: hypertables have tests of their own, and do not take every change that is made here.
    with launch_postgres(replace(binaries, timescaledb=None)) as server:
        yield create_database(server, "telemetry")


class Reader:
    """Changes the table in a transaction that is rolled back, and reads what it looks like meanwhile."""

    def __init__(self, connection: TrioConnection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def _changed(self, change: str) -> AsyncIterator[TrioConnection]:
        await self._connection.execute("BEGIN")
        try:
            if change:
                await self._connection.execute(change.encode())
            yield self._connection
        finally:
            await self._connection.execute("ROLLBACK")

    @property
    def major_version(self) -> int:
        return self._connection.info.server_version // 10_000

    async def form(self, change: str = "") -> TableForm:
        async with self._changed(change) as connection:
            return await read_table_form(connection)

    async def standing(self, change: str = "") -> Standing:
        async with self._changed(change) as connection:
            return await read_standing(connection)

    async def found(self, change: str, before: str = "") -> list[Difference]:
        return differences(await self.form(before), await self.form(before + change))


@pytest.fixture
async def reader(table: Database) -> AsyncIterator[Reader]:
    async with await TrioConnection.connect(table.admin_url) as connection:
        yield Reader(connection)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            "ALTER TABLE positions ALTER speed TYPE float8",
            ("column speed", "real NOT NULL", "double precision NOT NULL"),
        ),
        (
            "ALTER TABLE positions ALTER codec TYPE varchar(8)",
            ("column codec", "text NOT NULL", "character varying(8) NOT NULL"),
        ),
        (
            'ALTER TABLE positions ALTER codec TYPE text COLLATE "C"',
            ("column codec", "text NOT NULL", 'text COLLATE "C" NOT NULL'),
        ),
        (
            "ALTER TABLE positions ALTER speed DROP NOT NULL",
            ("column speed", "real NOT NULL", "real"),
        ),
        (
            "ALTER TABLE positions ALTER speed SET DEFAULT 0",
            ("column speed", "real NOT NULL", "real NOT NULL DEFAULT 0"),
        ),
        (
            "ALTER TABLE positions ALTER faulty SET DEFAULT true",
            (
                "column faulty",
                "boolean NOT NULL DEFAULT false",
                "boolean NOT NULL DEFAULT true",
            ),
        ),
        (
            "ALTER TABLE positions ALTER ingested_at DROP DEFAULT",
            (
                "column ingested_at",
                "timestamp with time zone NOT NULL DEFAULT now()",
                "timestamp with time zone NOT NULL",
            ),
        ),
        ("ALTER TABLE positions DROP priority", ("column priority", "smallint NOT NULL", None)),
        ("ALTER TABLE positions ADD note text", ("column note", None, "text")),
        (
            "ALTER TABLE positions ADD n bigint GENERATED ALWAYS AS IDENTITY",
            ("column n", None, "bigint GENERATED ALWAYS AS IDENTITY NOT NULL"),
        ),
        (
            "ALTER TABLE positions ADD fast real GENERATED ALWAYS AS (speed * 2) STORED",
            (
                "column fast",
                None,
                "real GENERATED ALWAYS AS (speed * (2)::double precision) STORED",
            ),
        ),
        ("DROP INDEX positions_ts", ("index positions_ts", "btree (ts DESC)", None)),
        (
            "CREATE INDEX ON positions (lower(codec)) INCLUDE (speed)",
            ("index positions_lower_speed_idx", None, "btree (lower(codec)) INCLUDE (speed)"),
        ),
        (
            "DROP INDEX positions_device_ts; CREATE INDEX positions_device_ts ON positions (device_id, ts)",
            (
                "index positions_device_ts",
                "UNIQUE btree (device_id, ts)",
                "btree (device_id, ts)",
            ),
        ),
        (
            "DROP INDEX positions_faulty_idx; CREATE INDEX positions_faulty_idx ON positions (device_id, ts DESC)",
            (
                "index positions_faulty_idx",
                "btree (device_id, ts DESC) WHERE (NOT faulty)",
                "btree (device_id, ts DESC)",
            ),
        ),
        (
            "ALTER TABLE positions ADD CHECK (satellites >= 0)",
            ("constraint positions_satellites_check", None, "CHECK ((satellites >= 0))"),
        ),
        (
            "ALTER TABLE positions ADD CONSTRAINT sane CHECK (satellites >= 0) NOT VALID",
            ("constraint sane", None, "CHECK ((satellites >= 0)) NOT VALID"),
        ),
        (
            "ALTER TABLE positions ADD UNIQUE (ts, device_id) DEFERRABLE",
            (
                "constraint positions_ts_device_id_key",
                None,
                "UNIQUE (ts, device_id) DEFERRABLE",
            ),
        ),
        (
            (
                "CREATE TABLE devices (id text PRIMARY KEY);"
                "ALTER TABLE positions ADD FOREIGN KEY (device_id) REFERENCES devices"
            ),
            (
                "constraint positions_device_id_fkey",
                None,
                "FOREIGN KEY (device_id) REFERENCES public.devices(id)",
            ),
        ),
        (
            "CREATE RULE quiet AS ON DELETE TO positions DO INSTEAD NOTHING",
            (
                "rule quiet",
                None,
                "CREATE RULE quiet AS\n    ON DELETE TO public.positions DO INSTEAD NOTHING;",
            ),
        ),
        (
            "ALTER TABLE positions ENABLE ROW LEVEL SECURITY",
            ("row level security", None, "enabled"),
        ),
        (
            "CREATE POLICY own ON positions FOR SELECT TO processor USING (NOT faulty)",
            ("policy own", None, "PERMISSIVE FOR SELECT TO processor USING (NOT faulty)"),
        ),
        ("ALTER TABLE positions SET UNLOGGED", ("table", "table", "unlogged table")),
        ("DROP TABLE positions", ("table", "table", None)),
    ],
)
async def test_a_difference_is_found_and_nothing_else(
    reader: Reader, change: str, difference: tuple[str, str | None, str | None]
) -> None:
    assert await reader.found(change) == [Difference(*difference)]


async def test_a_trigger_is_shown_with_its_function(reader: Reader) -> None:
    trigger, function = await reader.found(HOLD.format("NEW") + TRIGGER)
    assert (trigger.object, trigger.a) == ("trigger hold", None)
    assert trigger.b == (
        "CREATE TRIGGER hold BEFORE INSERT ON public.positions FOR EACH ROW EXECUTE FUNCTION public.hold()"
    )
    assert function.object == "function public.hold()"


async def test_a_trigger_that_is_switched_off_differs(reader: Reader) -> None:
    before = HOLD.format("NEW") + TRIGGER
    [difference] = await reader.found("ALTER TABLE positions DISABLE TRIGGER hold", before)
    assert difference.b == f"{difference.a} (disabled)"


async def test_the_source_of_a_trigger_is_compared_and_not_shown(reader: Reader) -> None:
    before = HOLD.format("NULL /* hush */") + TRIGGER
    change = HOLD.replace("CREATE", "CREATE OR REPLACE").format("NEW")
    [difference] = await reader.found(change, before)
    assert difference.object == "function public.hold()"
    assert "hush" not in str(difference)


async def test_a_table_that_was_made_otherwise_is_equal(reader: Reader) -> None:
    assert await reader.found(OTHERWISE) == []


@pytest.mark.parametrize(
    ("suffix", "found"),
    [
        ("", []),
        (" NOT VALID", [Difference("column speed", "real NOT NULL", "real NOT NULL NOT VALID")]),
    ],
)
async def test_not_null_is_of_the_column_whatever_its_name(
    reader: Reader, suffix: str, found: list[Difference]
) -> None:
    change = (
        "ALTER TABLE positions ALTER speed DROP NOT NULL;"
        f"ALTER TABLE positions ADD CONSTRAINT measured NOT NULL speed{suffix}"
    )
    if reader.major_version < NAMED_NOT_NULL_SINCE:
        with pytest.raises(psycopg.errors.SyntaxError):
            await reader.form(change)
    else:
        assert await reader.found(change) == found


async def test_the_servers_versions_make_no_difference(reader: Reader, database: Database) -> None:
    async with await TrioConnection.connect(database.admin_url) as other:
        theirs = await Reader(other).form()
    plain = {name: text for name, text in theirs.parts.items() if not name.startswith("hypertable")}
    assert differences(await reader.form(), replace(theirs, parts=plain)) == []
    changed = await reader.form("ALTER TABLE positions ADD CHECK (speed > -0.5 OR codec LIKE '8%')")
    async with await TrioConnection.connect(database.admin_url) as other:
        theirs = await Reader(other).form(
            "ALTER TABLE positions ADD CONSTRAINT sane CHECK (speed > -0.5 OR codec LIKE '8%')"
        )
    assert differences(changed, replace(theirs, parts=plain)) == []


@pytest.mark.parametrize("path", ["''", "public", "public, pg_catalog"])
async def test_the_search_path_makes_no_difference(reader: Reader, path: str) -> None:
    change = HOLD.format("NEW") + TRIGGER
    assert await reader.found(f"SET LOCAL search_path = {path}", change) == []


async def test_privileges_are_what_the_role_may_do_by_whatever_way(reader: Reader) -> None:
    base = await reader.standing()
    assert set(base.privileges or ()) == {"SELECT", "INSERT", "UPDATE", "USAGE", "TEMPORARY"}
    owning = await reader.standing(
        "REVOKE ALL ON positions FROM processor; ALTER TABLE positions OWNER TO processor"
    )
    assert owning.privileges == base.privileges
    assert remarks(base, owning) == ["the table belongs to directus in A, to processor in B"]
    lacking = await reader.standing("REVOKE INSERT ON positions FROM processor")
    assert remarks(base, lacking) == ["role processor has no INSERT in B"]


async def test_a_database_without_the_role_or_the_table_has_a_standing(reader: Reader) -> None:
    gone = await reader.standing(
        "DROP OWNED BY processor; DROP ROLE processor; DROP TABLE positions"
    )
    assert (gone.privileges, gone.owner, gone.database) == (None, None, "telemetry")
