"""`processor schema`: the table against the contract, and two databases' tables against each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from telemetry.chassis.cli import MISUSE, Failed, json_option, print_at_once, print_json
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from processor.operating.schema.checking import CheckedTable
    from processor.operating.schema.comparing import Comparison

_EXIT_DIFFER: Final = 1
_SIDES: Final = 2
_ABSENT: Final = "absent"

_REMEDY: Final = """\
What to do: Directus owns the schema. Let it apply its migrations, then check again. The owner gives missing
privileges by running deploy/postgres/grants.sql, which may be run again without harm. The service writes
nothing meanwhile and loses nothing: entries wait in Redis as long as the stream is not trimmed.
"""


@click.group(
    epilog="""\
\b
Examples:
  processor schema check
  processor schema diff env:OLD_POSTGRES_URL env:POSTGRES_URL

Each command explains itself: processor schema diff --help."""
)
def schema() -> None:
    """Compare the table with the contract, or with another database's."""


@schema.command(
    epilog="""\
\b
Examples:
  processor schema check
  processor schema check --json > check.json

Environment: POSTGRES_URL or POSTGRES_URL_FILE, as for `run`: the role there is the one that is checked

Exit codes: 0 as it should be, 4 PostgreSQL is unreachable or refuses, 5 the table differs, is missing, or a privilege
is missing, 78 bad configuration, 130 interrupted"""
)
@json_option
def check(*, as_json: bool) -> int:
    """Check that the service can work with the table.

    The same check as at the service's start: columns, types, defaults, the unique index, privileges, row level
    security, and whether the server would take a write. Nothing is written. Further nullable columns, indexes, CHECKs
    and triggers are no difference; a missing index that only readers need is a warning.
    """
    # Imported late: help needs neither the event loop nor PostgreSQL's client.
    import trio  # noqa: PLC0415

    from processor.operating.schema.checking import check_table  # noqa: PLC0415

    checked = trio.run(check_table, os.environ)
    if as_json:
        print_json(checked.as_json())
    else:
        print_at_once(_check_text(checked))
    return ExitCode.SCHEMA if checked.findings.differences else ExitCode.CLEAN


def _check_text(checked: CheckedTable) -> str:
    found = checked.findings
    place = f"database {checked.database} on {checked.where}, as role {checked.role}"
    warnings = "".join(f"  warning: {line}\n" for line in found.warnings)
    if not found.differences:
        return f"The table is as it should be: {place}\n{warnings}"
    lines = "".join(f"  {line}\n" for line in found.differences)
    return f"The service cannot write: {place}\n{lines}{warnings}\n{_REMEDY}"


@schema.command(
    epilog="""\
\b
Examples:
  processor schema diff env:OLD_POSTGRES_URL env:POSTGRES_URL
  processor schema diff file:old_url postgres://directus@127.0.0.1/telemetry
  processor schema diff --json env:OLD_POSTGRES_URL env:POSTGRES_URL > diff.json

A URL without a password gets it from ~/.pgpass or PGPASSWORD. env:NAME reads NAME, or the file of NAME_FILE.

Exit codes: 0 equal, 1 they differ, 2 wrong arguments, 4 a server is unreachable or refuses, 5 neither database has the
table, 78 a variable or file holds no URL, 130 interrupted"""
)
@click.argument("databases", nargs=-1, metavar="A B")
@json_option
def diff(databases: tuple[str, ...], *, as_json: bool) -> int:
    """Compare the table `positions` of two databases.

    A and B are each a URL without a password, env:NAME (a variable that holds the URL), or file:PATH. Compared are
    columns with types, defaults and nullability, indexes, constraints, triggers, policies, and what TimescaleDB has set
    for the table. Nothing is written, and any role that may log in can compare.

    No difference: the order of columns, and names that PostgreSQL makes up. Another owner, and privileges that the role
    `processor` lacks, are warnings.
    """
    if len(databases) != _SIDES:
        # Not click's own check, which quotes what it does not expect: that may be a URL with a password.
        raise click.UsageError(f"Two databases are compared, A and B; {len(databases)} are given.")
    import trio  # noqa: PLC0415

    from processor.operating.schema.comparing import compare_tables  # noqa: PLC0415
    from processor.operating.schema.sides import BadSide, database_of  # noqa: PLC0415

    try:
        a, b = (
            database_of(side, given, os.environ)
            for side, given in zip("AB", databases, strict=True)
        )
    except BadSide as fault:
        raise Failed(str(fault), MISUSE) from None
    interrupted = False
    try:
        compared = trio.run(compare_tables, a, b)
    except* KeyboardInterrupt:
        # Out of a nursery, hence in a group.
        interrupted = True
    if interrupted:
        raise click.Abort
    if as_json:
        print_json(compared.as_json())
    if not compared.has_table:
        raise Failed("neither database has the table public.positions", ExitCode.SCHEMA)
    if not as_json:
        _show(compared)
    return _EXIT_DIFFER if compared.differences else ExitCode.CLEAN


def _show(compared: Comparison) -> None:
    from telemetry.chassis.cli.tables import Column, print_table  # noqa: PLC0415

    for side, each in (("A", compared.a), ("B", compared.b)):
        standing = each.standing
        extension = standing.timescaledb_version
        versions = f"PostgreSQL {standing.postgres_version}" + (
            f", TimescaleDB {extension}" if extension else ""
        )
        print_at_once(f"{side}: database {standing.database} on {each.where}, {versions}\n")
    found = compared.differences
    if found:
        print_at_once("\n")
        columns = (Column("object"), Column("A", folds=True), Column("B", folds=True))
        print_table(
            columns, ((each.object, each.a or _ABSENT, each.b or _ABSENT) for each in found)
        )
        print_at_once("\n")
    else:
        print_at_once("The tables are equal.\n")
    for line in compared.warnings:
        print_at_once(f"warning: {line}\n")
