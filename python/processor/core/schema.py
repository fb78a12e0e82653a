"""What the table has to look like, and what an existing one lacks: the contract's table as data.

Not a difference: further columns that are nullable or have a default, CHECKs, triggers, further
indexes. A missing index that only speeds up readers is a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE_SCHEMA: Final = "public"
TABLE_NAME: Final = "positions"
# Qualified, so that neither a role's search_path nor a temporary table of this name gets the rows.
TABLE: Final = f"{TABLE_SCHEMA}.{TABLE_NAME}"


@dataclass(frozen=True)
class ExpectedColumn:
    """A column of the contract; `defaults` holds the spellings of its default, if it has one."""

    name: str
    type: str
    defaults: frozenset[str] = frozenset()


# The columns that the writer sets, in the order of the COPY rows.
WRITTEN_COLUMNS: Final = (
    ExpectedColumn("device_id", "text"),
    ExpectedColumn("ts", "timestamp with time zone"),
    ExpectedColumn("latitude", "double precision"),
    ExpectedColumn("longitude", "double precision"),
    ExpectedColumn("altitude", "real"),
    ExpectedColumn("angle", "real"),
    ExpectedColumn("speed", "real"),
    ExpectedColumn("satellites", "smallint"),
    ExpectedColumn("priority", "smallint"),
    ExpectedColumn("codec", "text"),
    ExpectedColumn("attributes", "jsonb"),
)
# The columns that the table fills in; a `faulty` of another default would hide every row.
DEFAULTED_COLUMNS: Final = (
    ExpectedColumn(
        "ingested_at",
        "timestamp with time zone",
        frozenset({"now()", "CURRENT_TIMESTAMP", "transaction_timestamp()"}),
    ),
    ExpectedColumn("faulty", "boolean", frozenset({"false"})),
)
EXPECTED_COLUMNS: Final = WRITTEN_COLUMNS + DEFAULTED_COLUMNS
KEY_COLUMNS: Final = ("device_id", "ts")
TABLE_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE")
# Beside those on the table: USAGE on its schema, TEMPORARY on the database.
NEEDED_PRIVILEGES: Final = (*TABLE_PRIVILEGES, "USAGE", "TEMPORARY")

# ON CONFLICT DO NOTHING into a compressed chunk, which these versions are the first to take, ends at
# the first conflict without an error: the new rows behind it are dropped (timescaledb#7672).
_CONFLICTS_DROP_ROWS_FROM: Final = (2, 11, 0)
_CONFLICTS_DROP_ROWS_UNTIL: Final = (2, 18, 1)


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it; `default` is its expression, None without one."""

    name: str
    type: str
    not_null: bool
    default: str | None = None
    # Identity and generated columns are filled in by the server, without a default.
    server_filled: bool = False


@dataclass(frozen=True)
class Index:
    """An index as the catalogue has it; an expression among its keys appears as the name ''."""

    keys: tuple[str, ...]
    unique: bool = False
    valid: bool = True
    immediate: bool = True
    predicate: str | None = None


@dataclass(frozen=True)
class TableFacts:
    """What the catalogue says about the table; `columns` is empty when there is no table."""

    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    # Those that we have of TABLE_PRIVILEGES, USAGE (on the schema) and TEMPORARY (on the database).
    privileges: frozenset[str]
    # Whether policies apply to our role: they are enabled, and it neither owns the table nor bypasses them.
    row_security: bool = False
    # The extension's version in this database; None without it.
    timescaledb_version: str | None = None
    # Whether the table may have compressed chunks; asked only of versions that drop rows in them.
    is_compressed: bool = False


@dataclass(frozen=True)
class Findings:
    """One line each: differences forbid writing, warnings do not."""

    differences: tuple[str, ...]
    warnings: tuple[str, ...]


def compare(facts: TableFacts) -> Findings:
    """What the existing table lacks."""
    if not facts.columns:
        names = ", ".join(column.name for column in EXPECTED_COLUMNS)
        return Findings((f"table {TABLE} is missing, with the columns {names}",), ())
    differences = (
        *_column_differences(facts.columns),
        *_foreign_columns(facts.columns),
        *_key_differences(facts.indexes),
        *_privilege_differences(facts.privileges),
        *_row_security_differences(facts),
        *_extension_differences(facts),
    )
    return Findings(differences, tuple(_missing_reader_indexes(facts.indexes)))


def _column_differences(columns: tuple[Column, ...]) -> Iterator[str]:
    found = {column.name: column for column in columns}
    for expected in EXPECTED_COLUMNS:
        column = found.get(expected.name)
        if column is None:
            yield f"column {expected.name} ({expected.type}) is missing"
            continue
        if column.type != expected.type:
            yield f"column {expected.name} is {column.type}, not {expected.type}"
        if not column.not_null:
            yield f"column {expected.name} allows NULL, it must be NOT NULL"
        if expected.defaults and column.default not in expected.defaults:
            wanted = min(expected.defaults, key=len)
            yield f"column {expected.name} has default {column.default or 'none'}, not {wanted}"


def _foreign_columns(columns: tuple[Column, ...]) -> Iterator[str]:
    ours = {expected.name for expected in EXPECTED_COLUMNS}
    for column in columns:
        has_value = column.default is not None or column.server_filled
        if column.name not in ours and column.not_null and not has_value:
            yield f"column {column.name} is not ours, NOT NULL and has no default: no write succeeds"


def _key_differences(indexes: tuple[Index, ...]) -> Iterator[str]:
    if not any(_is_usable_key(index) for index in indexes):
        yield (
            f"no unique index on exactly ({', '.join(KEY_COLUMNS)}) is usable:"
            " it must be valid, not partial, not deferrable"
        )


def _is_usable_key(index: Index) -> bool:
    return (
        index.unique
        and index.valid
        and index.immediate
        and index.predicate is None
        and sorted(index.keys) == sorted(KEY_COLUMNS)
    )


def _privilege_differences(privileges: frozenset[str]) -> Iterator[str]:
    places = {"USAGE": f"schema {TABLE_SCHEMA}"}
    places |= dict.fromkeys(TABLE_PRIVILEGES, f"table {TABLE}")
    places |= {"TEMPORARY": "the database"}
    for privilege, place in places.items():
        if privilege not in privileges:
            yield f"privilege {privilege} on {place} is missing"


def _row_security_differences(facts: TableFacts) -> Iterator[str]:
    # An INSERT may be let through where COPY is not. But a row that a policy hides from a probe looks new,
    # and one that a policy refuses looks like the record's failure: no guessing.
    if facts.row_security:
        yield (
            f"row level security of {TABLE} applies to this role, which has to see and write every row:"
            " give the role BYPASSRLS, or disable it for the table"
        )


def drops_rows_in_compressed_chunks(timescaledb_version: str) -> bool:
    """Whether this version of the extension loses rows where a table is compressed.

    A pre-release of the version with the correction may lack it. What is no version number is of a
    later time.
    """
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(.*)", timescaledb_version)
    if found is None:
        return False
    major, minor, patch, suffix = found.groups()
    numbers = (int(major), int(minor), int(patch or 0))
    if numbers == _CONFLICTS_DROP_ROWS_UNTIL:
        return bool(suffix)
    return _CONFLICTS_DROP_ROWS_FROM <= numbers < _CONFLICTS_DROP_ROWS_UNTIL


def _extension_differences(facts: TableFacts) -> Iterator[str]:
    version = facts.timescaledb_version
    if facts.is_compressed and version is not None and drops_rows_in_compressed_chunks(version):
        corrected = ".".join(map(str, _CONFLICTS_DROP_ROWS_UNTIL))
        yield (
            f"TimescaleDB {version} drops new rows beside repeated ones in compressed chunks:"
            f" update the extension to {corrected} or newer, or decompress {TABLE}"
            " and switch its compression off"
        )


def _missing_reader_indexes(indexes: tuple[Index, ...]) -> Iterator[str]:
    valid = [index for index in indexes if index.valid]
    if not any(index.keys == ("ts",) and index.predicate is None for index in valid):
        yield "index positions_ts (ts DESC) is missing: reading by time is slow"
    if not any(index.keys == KEY_COLUMNS and index.predicate == "(NOT faulty)" for index in valid):
        yield (
            "index positions_faulty_idx (device_id, ts DESC) WHERE NOT faulty is missing:"
            " reading a device's newest positions is slow"
        )
