"""What each failure can be about, and what is done about it, row by row of the delivery rules."""

from __future__ import annotations

from itertools import product, starmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from processor.core.write_errors import (
    INFRASTRUCTURE_CLASSES,
    TABLE,
    UNANSWERED_MAX,
    Case,
    Evidence,
    FailureKind,
    NextStep,
    WriteRoute,
    kind_of,
    next_step,
    speaks_of_table,
    wants_new_session,
)

SQLSTATES = sorted(
    {
        sqlstate
        for error in vars(errors).values()
        if isinstance(sqlstate := getattr(error, "sqlstate", None), str)
    }
)


def kind(
    sqlstate: str | None,
    route: WriteRoute = WriteRoute.INSERT_NEW,
    *,
    usable: bool = True,
    in_session: bool = True,
    awaits_standby: bool = False,
) -> FailureKind:
    return kind_of(
        sqlstate,
        route=route,
        connection_usable=usable,
        in_session=in_session,
        awaits_standby=awaits_standby,
    )


def test_the_classes_of_the_infrastructure_are_exactly_those_of_the_delivery_rules() -> None:
    assert {"08", "25", "28", "3D", "40", "53", "55", "57", "58"} == INFRASTRUCTURE_CLASSES


@pytest.mark.parametrize(
    ("sqlstate", "route", "usable", "expected"),
    [
        (None, WriteRoute.DIRECT, False, FailureKind.NO_ANSWER),  # the connection was lost
        (None, WriteRoute.INSERT_NEW, True, FailureKind.NO_ANSWER),  # time ran out
        ("57014", WriteRoute.DIRECT, True, FailureKind.NO_ANSWER),  # the statement took too long
        ("53200", WriteRoute.DIRECT, True, FailureKind.NO_ANSWER),  # out of memory
        (
            "53400",
            WriteRoute.INSERT_NEW,
            True,
            FailureKind.NO_ANSWER,
        ),  # too many tuples to decompress
        ("57P01", WriteRoute.DIRECT, False, FailureKind.NO_ANSWER),  # somebody ended the session
        ("57P02", WriteRoute.DIRECT, False, FailureKind.NO_ANSWER),  # a backend crashed
        ("08006", WriteRoute.DIRECT, False, FailureKind.NO_ANSWER),
        ("08P01", WriteRoute.DIRECT, False, FailureKind.NO_ANSWER),
        (
            "XX000",
            WriteRoute.DIRECT,
            False,
            FailureKind.NO_ANSWER,
        ),  # a refusal would have left the session
        ("23505", WriteRoute.DIRECT, True, FailureKind.LOST_RACE),
        ("23505", WriteRoute.INSERT_NEW, True, FailureKind.REFUSAL),  # another unique index
        ("08P01", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # a field of the wrong size
        ("22P05", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # \u0000 in jsonb
        ("23514", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # a CHECK, or a missing partition
        (
            "54000",
            WriteRoute.INSERT_NEW,
            True,
            FailureKind.REFUSAL,
        ),  # too large a row, or transaction ids used up
        ("P0001", WriteRoute.INSERT_NEW, True, FailureKind.REFUSAL),  # a trigger raised it
        ("42883", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # a trigger's bug
        ("0A000", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # row security
        ("XX000", WriteRoute.DIRECT, True, FailureKind.REFUSAL),
        ("ZZ999", WriteRoute.DIRECT, True, FailureKind.REFUSAL),  # a class of an extension's own
        ("25006", WriteRoute.DIRECT, True, FailureKind.INFRASTRUCTURE),  # a standby
        ("25P03", WriteRoute.DIRECT, False, FailureKind.INFRASTRUCTURE),
        ("28P01", WriteRoute.DIRECT, False, FailureKind.INFRASTRUCTURE),
        ("3D000", WriteRoute.DIRECT, False, FailureKind.INFRASTRUCTURE),
        ("40P01", WriteRoute.INSERT_NEW, True, FailureKind.INFRASTRUCTURE),  # a deadlock
        ("53100", WriteRoute.DIRECT, True, FailureKind.INFRASTRUCTURE),  # the disk is full
        ("53300", WriteRoute.DIRECT, False, FailureKind.INFRASTRUCTURE),  # too many connections
        ("55P03", WriteRoute.INSERT_NEW, True, FailureKind.INFRASTRUCTURE),
        ("57P03", WriteRoute.DIRECT, False, FailureKind.INFRASTRUCTURE),  # the server is starting
        ("58030", WriteRoute.DIRECT, True, FailureKind.INFRASTRUCTURE),
    ],
)
def test_what_a_failure_can_be_about_follows_the_delivery_rules(
    sqlstate: str | None, route: WriteRoute, expected: FailureKind, *, usable: bool
) -> None:
    assert kind(sqlstate, route, usable=usable) is expected


@given(
    st.sampled_from([None, *SQLSTATES]), st.sampled_from(WriteRoute), st.booleans(), st.booleans()
)
def test_no_session_and_a_standby_that_is_away_never_blame_a_batch(
    sqlstate: str | None, route: WriteRoute, usable: bool, awaits_standby: bool
) -> None:
    found = kind(sqlstate, route, usable=usable, in_session=awaits_standby, awaits_standby=True)
    assert found is FailureKind.INFRASTRUCTURE
    assert kind(sqlstate, route, usable=usable, in_session=False) is FailureKind.INFRASTRUCTURE


@given(st.sampled_from(SQLSTATES), st.sampled_from(WriteRoute))
def test_only_a_class_of_the_infrastructure_is_its_failure_while_the_session_lives(
    sqlstate: str, route: WriteRoute
) -> None:
    found = kind(sqlstate, route)
    if found in {FailureKind.INFRASTRUCTURE, FailureKind.NO_ANSWER}:
        assert sqlstate[:2] in INFRASTRUCTURE_CLASSES
    else:
        assert sqlstate == "08P01" or sqlstate[:2] not in INFRASTRUCTURE_CLASSES


def refusal(**known: Any) -> Case:
    return Case(FailureKind.REFUSAL, **{"is_alone": True, "schema_stands": True, **known})


def no_answer(**known: Any) -> Case:
    return Case(FailureKind.NO_ANSWER, **{"is_alone": False, "unanswered": 1, **known})


@pytest.mark.parametrize(
    ("case", "step"),
    [
        (Case(FailureKind.LOST_RACE, is_alone=False), NextStep.INSERT_NEW),
        (Case(FailureKind.LOST_RACE, is_alone=True), NextStep.INSERT_NEW),
        (Case(FailureKind.INFRASTRUCTURE, is_alone=False), NextStep.RETRY),
        (Case(FailureKind.INFRASTRUCTURE, is_alone=True), NextStep.RETRY),
        # One try or two may fall into a stall that passes.
        (no_answer(unanswered=1), NextStep.RETRY),
        (no_answer(unanswered=2), NextStep.RETRY),
        (no_answer(unanswered=3), NextStep.TRY_CANARY),
        (no_answer(unanswered=1, is_alone=True), NextStep.RETRY),
        (no_answer(unanswered=3, is_alone=True), NextStep.TRY_CANARY),
        # From the first halving on, each one asks for a canary.
        (no_answer(unanswered=1, is_suspected=True), NextStep.TRY_CANARY),
        (no_answer(unanswered=3, canary_accepted=False), NextStep.RETRY),
        (no_answer(unanswered=3, canary_accepted=True), NextStep.SPLIT),
        (no_answer(unanswered=3, canary_accepted=True, is_alone=True), NextStep.TRY_AGAIN),
        (no_answer(unanswered=5, behind_canary=2, is_alone=True), NextStep.TRY_CANARY),
        (no_answer(unanswered=6, behind_canary=3, is_alone=True), NextStep.REFUSE),
        # Refusals: the neighbours are committed first, but where the table may have changed.
        (refusal(is_alone=False, schema_stands=None), NextStep.SPLIT),
        (refusal(is_alone=False, schema_stands=None, speaks_of_table=True), NextStep.ASK_SCHEMA),
        (refusal(is_alone=False, schema_stands=False, speaks_of_table=True), NextStep.HOLD),
        (refusal(is_alone=False, schema_stands=True, speaks_of_table=True), NextStep.SPLIT),
        (refusal(schema_stands=None), NextStep.ASK_SCHEMA),
        (refusal(schema_stands=None, has_commits=True), NextStep.GATHER_EVIDENCE),
        (refusal(schema_stands=None, has_commits=True, speaks_of_table=True), NextStep.ASK_SCHEMA),
        (refusal(schema_stands=False), NextStep.HOLD),
        (refusal(), NextStep.GATHER_EVIDENCE),
        (refusal(is_epidemic=True), NextStep.HOLD),
        (refusal(is_epidemic=True, evidence=Evidence.RECORD), NextStep.HOLD),
        (refusal(evidence=Evidence.RECORD), NextStep.REFUSE),
        (refusal(evidence=Evidence.TIME), NextStep.REFUSE),
        (refusal(evidence=Evidence.TABLE), NextStep.SET_ASIDE),
        (refusal(evidence=Evidence.CAUSE_GONE), NextStep.DOUBT),
    ],
)
def test_what_is_done_follows_from_what_is_known(case: Case, step: NextStep) -> None:
    assert next_step(case) is step


unknown_or = st.sampled_from([None, True, False])
cases = st.builds(
    Case,
    kind=st.sampled_from(FailureKind),
    is_alone=st.booleans(),
    has_commits=st.booleans(),
    speaks_of_table=st.booleans(),
    schema_stands=unknown_or,
    is_epidemic=st.booleans(),
    evidence=st.sampled_from([None, *Evidence]),
    unanswered=st.integers(0, 9),
    is_suspected=st.booleans(),
    behind_canary=st.integers(0, 9),
    canary_accepted=unknown_or,
)


@given(cases)
def test_there_is_an_answer_to_every_case(case: Case) -> None:
    assert isinstance(next_step(case), NextStep)


def test_every_row_of_the_table_is_the_first_that_fits_somewhere() -> None:
    flags, unknowns = (False, True), (None, False, True)
    domain = product(
        FailureKind,
        flags,
        flags,
        flags,
        unknowns,
        flags,
        (None, *Evidence),
        (1, 3),
        flags,
        (0, 3),
        unknowns,
    )
    reached = {
        next(
            n
            for n, (kind_of_row, conditions, _) in enumerate(TABLE)
            if kind_of_row is case.kind
            and all(getattr(case, name) == value for name, value in conditions.items())
        )
        for case in starmap(Case, domain)
    }
    assert reached == set(range(len(TABLE)))


@given(cases)
def test_no_failure_is_counted_without_evidence_against_the_record(case: Case) -> None:
    if next_step(case) is not NextStep.REFUSE:
        return
    assert case.is_alone
    if case.kind is FailureKind.REFUSAL:
        assert case.evidence in {Evidence.RECORD, Evidence.TIME}
        assert not case.is_epidemic
        assert case.schema_stands is not False
    else:
        assert case.kind is FailureKind.NO_ANSWER
        assert case.behind_canary >= UNANSWERED_MAX


@given(cases)
def test_only_what_is_more_than_a_row_is_split(case: Case) -> None:
    assert not (next_step(case) is NextStep.SPLIT and case.is_alone)


@given(cases)
def test_nothing_is_asked_that_is_known(case: Case) -> None:
    match next_step(case):
        case NextStep.ASK_SCHEMA:
            assert case.schema_stands is None
        case NextStep.GATHER_EVIDENCE:
            assert case.evidence is None
        case NextStep.TRY_CANARY:
            assert case.canary_accepted is None


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "42P10", "42501", "42883"])
def test_what_a_migration_causes_speaks_of_the_table(sqlstate: str) -> None:
    assert speaks_of_table(sqlstate)


@pytest.mark.parametrize("sqlstate", [None, "40P01", "57P01", "22P02"])
def test_nothing_else_speaks_of_the_table(sqlstate: str | None) -> None:
    assert not speaks_of_table(sqlstate)


@pytest.mark.parametrize(
    ("sqlstate", "wanted"), [("40P01", False), ("55P03", False), (None, True), ("25006", True)]
)
def test_a_transaction_in_the_way_costs_no_session(sqlstate: str | None, *, wanted: bool) -> None:
    assert wants_new_session(sqlstate) is wanted
