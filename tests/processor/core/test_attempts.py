"""What is remembered of failures, and which entries are suspects."""

from __future__ import annotations

import json

import pytest

from processor.core.attempts import Attempts, PendingEntry
from processor.core.triage import triage
from telemetry.chassis.times import iso_of_unix_ms

NOON_MS = 1_777_636_800_000


def entry(
    number: int, deliveries: int = 1, attempts: tuple[int, float, str] | None = None
) -> PendingEntry:
    recorded = None if attempts is None else Attempts(*attempts)
    return PendingEntry(f"{number}-0", deliveries, recorded)


def test_a_recorded_failure_is_read_with_its_time() -> None:
    text = '{"n":2,"first_failed_at":"x","last_failed_at":"2026-05-01T12:00:00.250Z","code":"bad_json"}'
    assert Attempts.parse(text) == Attempts(2, NOON_MS + 250, "bad_json")


def test_a_time_in_milliseconds_is_read_as_well() -> None:
    assert Attempts.parse(b'{"n":1,"last_failed_at":%d}' % NOON_MS) == Attempts(1, NOON_MS, "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "[]", "{}", "7", "[" * 100_000),
        *('{"n":"many"}', '{"n":null}', '{"n":1e400}', '{"n":NaN}'),
    ],
)
def test_what_cannot_be_read_counts_as_no_failure(text: str) -> None:
    assert Attempts.parse(text).failures == 0


@pytest.mark.parametrize("moment", ["", "yesterday", None, [1], 10**400])
def test_a_time_that_cannot_be_read_is_long_ago(moment: object) -> None:
    assert Attempts.parse(json.dumps({"n": 1, "last_failed_at": moment})).last_failed_at_ms == 0


def test_times_are_written_as_in_the_log() -> None:
    assert iso_of_unix_ms(NOON_MS + 7) == "2026-05-01T12:00:00.007Z"


@pytest.mark.parametrize(
    ("deliveries", "attempts", "is_suspect"),
    [
        (5, None, False),
        (6, None, True),
        (6, (0, 0, ""), True),  # unreadable: no failure is recorded
        (1_000, (1, 0, "bad_json"), False),  # its failures are known: it kills nobody
        (1_000, (2, 0, "refused_by_server"), False),
        (2, (1, 0, "no_answer"), True),  # a trial that nobody survived
    ],
)
def test_a_suspect_was_delivered_more_than_five_times_without_an_answer(
    deliveries: int, attempts: tuple[int, float, str] | None, is_suspect: bool
) -> None:
    assert entry(1, deliveries, attempts).is_suspect() is is_suspect


def test_pending_entries_are_sorted_out_in_their_order() -> None:
    plan = triage(
        [
            entry(1),
            entry(2, 6),
            entry(3, 2, (1, NOON_MS - 60_000, "bad_json")),
            entry(4, 2, (1, NOON_MS - 59_999, "bad_json")),
            entry(5, 9, (1, NOON_MS - 60_000, "no_answer")),
            entry(6, 9, (1, NOON_MS - 1, "no_answer")),
            entry(7, 5),
        ],
        now_ms=NOON_MS,
        rest_ms=60_000,
    )
    assert plan.take == ("1-0", "3-0", "7-0")
    assert plan.attempted == ("3-0",)
    assert plan.suspects == ("2-0", "5-0")
    assert plan.left == ("4-0", "6-0")


def test_a_claim_leaves_nothing_however_young_its_failure() -> None:
    plan = triage([entry(1, 2, (1, NOON_MS, "bad_json"))], now_ms=NOON_MS)
    assert (plan.take, plan.left) == (("1-0",), ())


def test_deliveries_that_killed_nobody_are_no_ground_for_suspicion() -> None:
    entries = [entry(1, 8), entry(2, 8), entry(3, 8, (1, 0, "no_answer"))]
    lost = {"1-0": 3, "2-0": 2, "3-0": 8}
    plan = triage(entries, now_ms=NOON_MS, lost_deliveries=lost)
    assert plan.take == ("1-0",)
    # A trial that nobody survived is another's word.
    assert plan.suspects == ("2-0", "3-0")
