"""Each SQLSTATE's verdict, row by row of the delivery rules."""

from __future__ import annotations

import pytest
from psycopg import errors

from processor.core.verdicts import (
    CAUSE_BY_CLASS,
    Cause,
    Path,
    Step,
    cause_of,
    doubts_the_schema,
    is_halved,
    next_step,
)


@pytest.mark.parametrize(
    ("cause", "classes"),
    [
        (Cause.RECORD, {"22", "23", "54", "P0"}),
        (Cause.WORLD, {"08", "25", "28", "3D", "40", "42", "53", "55", "57", "58"}),
    ],
)
def test_the_classes_of_the_delivery_rules_are_exactly_these(
    cause: Cause, classes: set[str]
) -> None:
    assert {name for name, of_class in CAUSE_BY_CLASS.items() if of_class is cause} == classes


def test_every_class_that_postgresql_knows_has_a_row() -> None:
    known = {
        sqlstate[:2]
        for error in vars(errors).values()
        if isinstance(sqlstate := getattr(error, "sqlstate", None), str)
    }
    assert known <= set(CAUSE_BY_CLASS)


@pytest.mark.parametrize(
    ("sqlstate", "path", "connection_usable", "cause"),
    [
        (None, Path.DIRECT, False, Cause.WORLD),  # the connection was lost
        (None, Path.STAGED, True, Cause.WORLD),  # time ran out
        ("22P05", Path.DIRECT, True, Cause.RECORD),  # \u0000 in jsonb
        ("23502", Path.DIRECT, True, Cause.RECORD),
        ("23505", Path.DIRECT, True, Cause.LOST_RACE),
        ("23505", Path.STAGED, True, Cause.RECORD),  # another unique index
        ("54000", Path.STAGED, True, Cause.RECORD),
        ("P0001", Path.STAGED, True, Cause.RECORD),  # RAISE EXCEPTION of a trigger
        ("08P01", Path.DIRECT, True, Cause.RECORD),
        ("08P01", Path.DIRECT, False, Cause.WORLD),
        ("08006", Path.DIRECT, False, Cause.WORLD),
        ("25006", Path.DIRECT, True, Cause.WORLD),  # a standby
        ("28P01", Path.DIRECT, False, Cause.WORLD),
        ("3D000", Path.DIRECT, False, Cause.WORLD),
        ("40P01", Path.STAGED, True, Cause.WORLD),  # a deadlock
        ("42P01", Path.DIRECT, True, Cause.WORLD),  # the owner is migrating
        ("53100", Path.DIRECT, True, Cause.WORLD),  # the disk is full
        ("55P03", Path.STAGED, True, Cause.WORLD),
        ("57014", Path.DIRECT, True, Cause.WORLD),
        ("57P01", Path.DIRECT, False, Cause.WORLD),
        ("58030", Path.DIRECT, True, Cause.WORLD),
        ("XX000", Path.DIRECT, True, Cause.UNDECIDED),
        ("ZZ999", Path.DIRECT, True, Cause.UNDECIDED),  # a class of an extension's own
    ],
)
def test_the_cause_follows_the_delivery_rules(
    sqlstate: str | None, path: Path, connection_usable: bool, cause: Cause
) -> None:
    assert cause_of(sqlstate, path=path, connection_usable=connection_usable) is cause


@pytest.mark.parametrize(
    ("cause", "rows", "step"),
    [
        (Cause.WORLD, 1, Step.RETRY),
        (Cause.WORLD, 20_000, Step.RETRY),
        (Cause.LOST_RACE, 1, Step.STAGE),
        (Cause.LOST_RACE, 20_000, Step.STAGE),
        (Cause.RECORD, 1, Step.REFUSE),
        (Cause.RECORD, 2, Step.SPLIT),
        (Cause.UNDECIDED, 1, Step.DOUBT),
        (Cause.UNDECIDED, 2, Step.SPLIT),
    ],
)
def test_the_next_step_follows_from_the_cause_and_what_can_be_split(
    cause: Cause, rows: int, step: Step
) -> None:
    assert next_step(cause, rows=rows) is step


@pytest.mark.parametrize(
    ("sqlstate", "failures", "rows", "halved"),
    [
        ("57014", 3, 2, True),  # the statement took too long
        ("53200", 3, 2, True),  # out of memory
        ("53400", 3, 2, True),  # too many tuples to decompress in one transaction
        ("53400", 2, 2, False),
        ("53400", 3, 1, False),
        ("53100", 9, 2, False),  # a full disk is no fuller for a large batch
        (None, 9, 2, False),
    ],
)
def test_what_a_smaller_batch_may_escape_is_halved_after_the_third_failure(
    sqlstate: str | None, failures: int, rows: int, *, halved: bool
) -> None:
    assert is_halved(sqlstate, failures=failures, rows=rows) is halved


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "42P10", "42501"])
def test_what_a_migration_causes_asks_for_the_schema(sqlstate: str) -> None:
    assert doubts_the_schema(sqlstate)


@pytest.mark.parametrize("sqlstate", [None, "40P01", "57P01", "42601", "22P02"])
def test_nothing_else_asks_for_the_schema(sqlstate: str | None) -> None:
    assert not doubts_the_schema(sqlstate)
