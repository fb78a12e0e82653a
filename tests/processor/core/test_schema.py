"""What is a difference, what is a warning, and what is neither."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.schema import (
    DEFAULTED_COLUMNS,
    EXPECTED_COLUMNS,
    WRITTEN_COLUMNS,
    Column,
    Findings,
    Index,
    TableFacts,
    compare,
    drops_rows_in_compressed_chunks,
)

KEY = Index(("device_id", "ts"), unique=True)
BY_TIME = Index(("ts",))
OF_GOOD_ROWS = Index(("device_id", "ts"), predicate="(NOT faulty)")
COLUMNS = (
    *(Column(c.name, c.type, not_null=True) for c in WRITTEN_COLUMNS),
    *(Column(c.name, c.type, not_null=True, default=min(c.defaults)) for c in DEFAULTED_COLUMNS),
)
PERFECT = TableFacts(
    columns=COLUMNS,
    indexes=(KEY, BY_TIME, OF_GOOD_ROWS),
    privileges=frozenset({"USAGE", "SELECT", "INSERT", "UPDATE", "TEMPORARY"}),
)


def with_column(name: str, **changes: object) -> TableFacts:
    columns = (replace(c, **changes) if c.name == name else c for c in COLUMNS)  # type: ignore[arg-type]
    return replace(PERFECT, columns=tuple(columns))


def with_more(*columns: Column) -> TableFacts:
    return replace(PERFECT, columns=COLUMNS + columns)


def with_key(*keys: Index) -> TableFacts:
    return replace(PERFECT, indexes=(*keys, BY_TIME, OF_GOOD_ROWS))


@pytest.mark.parametrize(
    "facts",
    [
        PERFECT,
        replace(PERFECT, columns=COLUMNS[::-1]),
        with_more(Column("note", "text", not_null=False)),
        with_more(Column("tenant", "integer", not_null=True, default="1")),
        with_more(Column("number", "bigint", not_null=True, server_filled=True)),
        with_key(Index(("ts", "device_id"), unique=True)),
        with_key(KEY, Index(("codec", ""))),
        with_column("ingested_at", default="CURRENT_TIMESTAMP"),
    ],
)
def test_what_the_contract_allows_is_nothing_to_report(facts: TableFacts) -> None:
    assert compare(facts) == Findings((), ())


def test_a_missing_table_is_one_difference_that_names_every_column() -> None:
    [difference] = compare(TableFacts((), (), frozenset())).differences
    assert difference.startswith("table public.positions is missing")
    assert all(column.name in difference for column in EXPECTED_COLUMNS)


@pytest.mark.parametrize(
    ("facts", "difference"),
    [
        (replace(PERFECT, columns=COLUMNS[1:]), "column device_id (text) is missing"),
        (
            with_column("speed", type="double precision"),
            "column speed is double precision, not real",
        ),
        (
            replace(PERFECT, row_security=True),
            (
                "row level security of public.positions applies to this role, which has to see and write"
                " every row: give the role BYPASSRLS, or disable it for the table"
            ),
        ),
        (with_column("codec", not_null=False), "column codec allows NULL, it must be NOT NULL"),
        (with_column("faulty", default="true"), "column faulty has default true, not false"),
        (with_column("faulty", default=None), "column faulty has default none, not false"),
        (
            with_column("ingested_at", default=None),
            "column ingested_at has default none, not now()",
        ),
        (
            with_more(Column("tenant", "integer", not_null=True)),
            "column tenant is not ours, NOT NULL and has no default: no write succeeds",
        ),
    ],
)
def test_a_column_that_differs_is_one_line(facts: TableFacts, difference: str) -> None:
    assert compare(facts) == Findings((difference,), ())


@pytest.mark.parametrize(
    "key",
    [
        replace(KEY, unique=False),
        replace(KEY, valid=False),
        replace(KEY, immediate=False),
        replace(KEY, predicate="(NOT faulty)"),
        replace(KEY, keys=("device_id",)),
        replace(KEY, keys=("device_id", "ts", "codec")),
        replace(KEY, keys=("device_id", "")),
    ],
)
def test_an_index_that_on_conflict_cannot_use_is_no_key(key: Index) -> None:
    [difference] = compare(with_key(key)).differences
    assert difference.startswith("no unique index on exactly (device_id, ts) is usable")


@pytest.mark.parametrize(
    ("privilege", "place"),
    [
        ("USAGE", "schema public"),
        ("SELECT", "table public.positions"),
        ("INSERT", "table public.positions"),
        ("UPDATE", "table public.positions"),
        ("TEMPORARY", "the database"),
    ],
)
def test_a_missing_privilege_is_named_with_its_place(privilege: str, place: str) -> None:
    facts = replace(PERFECT, privileges=PERFECT.privileges - {privilege})
    assert compare(facts).differences == (f"privilege {privilege} on {place} is missing",)


@pytest.mark.parametrize(
    ("indexes", "names"),
    [
        ((KEY, OF_GOOD_ROWS), ["positions_ts"]),
        ((KEY, BY_TIME), ["positions_faulty_idx"]),
        ((KEY, replace(BY_TIME, valid=False), OF_GOOD_ROWS), ["positions_ts"]),
        ((KEY,), ["positions_ts", "positions_faulty_idx"]),
    ],
)
def test_a_missing_index_of_the_readers_is_a_warning(
    indexes: tuple[Index, ...], names: list[str]
) -> None:
    findings = compare(replace(PERFECT, indexes=indexes))
    assert findings.differences == ()
    assert [line.split()[1] for line in findings.warnings] == names


@pytest.mark.parametrize(
    ("version", "drops"),
    [
        ("1.7.5", False),
        ("2.9.3", False),
        ("2.10.3", False),
        ("2.11.0", True),
        ("2.11.0p1", True),
        ("2.11.2-dev", True),
        ("2.13", True),
        ("2.17.2", True),
        ("2.18.0", True),
        ("2.18.0-dev", True),
        # The correction may not have been in it yet.
        ("2.18.1-dev", True),
        ("2.18.1", False),
        ("2.18.2-dev", False),
        ("2.19.0", False),
        ("2.19.3", False),
        ("2.28.3", False),
        ("2.110.0", False),
        ("3.0.0", False),
        ("12.17.2", False),
        ("", False),
        ("next", False),
    ],
)
def test_rows_are_dropped_from_2_11_0_until_they_were_not_in_2_18_1(
    version: str, drops: bool
) -> None:
    assert drops_rows_in_compressed_chunks(version) is drops
    compressed = replace(PERFECT, timescaledb_version=version, is_compressed=True)
    assert len(compare(compressed).differences) == drops
    assert compare(replace(compressed, is_compressed=False)) == Findings((), ())


def test_a_version_that_drops_rows_is_named_with_what_to_do() -> None:
    facts = replace(PERFECT, timescaledb_version="2.17.2", is_compressed=True)
    [difference] = compare(facts).differences
    assert difference == (
        "TimescaleDB 2.17.2 drops new rows beside repeated ones in compressed chunks: update the"
        " extension to 2.18.1 or newer, or decompress public.positions and switch its compression"
        " off"
    )
