"""What happened between two samples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.journal.statistics import WRITE_DURATION_BOUNDS_S
from processor.operating.queue import Queue
from processor.operating.top.history import RATES_MAX, History
from processor.operating.top.rates import bound_of, rates
from processor.operating.top.sample import Counters, Sample, Working
from telemetry.chassis.operating.instances import Instance

QUEUE = Queue(
    length=0,
    entries_added=100,
    last_id=None,
    last_entry_age_s=None,
    group_exists=True,
    lag=0,
    pending=0,
    oldest_pending_age_s=None,
)
NONE = (0,) * (len(WRITE_DURATION_BOUNDS_S) + 1)


def instance(pid: int) -> Instance:
    return Instance(
        instance_id="processor-1",
        consumer="processor-1",
        version="1",
        host="h",
        pid=pid,
        started_at="2026-05-01T00:00:00.000Z",
        phase="running",
        in_flight=0,
        ledger={},
        log_level="info",
    )


def sample(at_s: float, *counters: Counters | None, added: int = 100) -> Sample:
    return Sample(
        at_s=at_s,
        queue=replace(QUEUE, entries_added=added),
        consumers=[],
        working=[Working(instance(pid), each) for pid, each in enumerate(counters)],
        dead_letters=0,
        dead_letters_by_code={},
    )


def counters(read: int, inserted: int = 0, *, writes: int = 0, took_s: float = 0.0) -> Counters:
    slots = (writes, *NONE[1:])
    return Counters(read, {"inserted": inserted}, 0, slots, took_s)


def test_rates_are_of_all_instances_together_by_second() -> None:
    before = sample(10.0, counters(100), counters(1_000))
    found = rates(
        before,
        sample(12.0, counters(300, 20, writes=2, took_s=0.01), counters(1_100, 30), added=140),
    )
    assert (found.published, found.read, found.inserted, found.duplicates) == (20, 150, 25, 0)
    assert (found.writes, found.write_mean_s, found.write_p99_s) == (2, 0.005, 0.005)


def test_a_life_that_begins_or_ends_adds_nothing() -> None:
    both, one = sample(1.0, counters(10), counters(5_000)), sample(2.0, counters(30))
    assert rates(both, one).read == 20
    assert rates(replace(one, at_s=0.0), replace(both, at_s=1.0)).read == 0


def test_without_anybody_who_says_there_is_no_rate_but_that_of_redis() -> None:
    found = rates(sample(1.0, None), sample(2.0, None, added=105))
    assert (found.published, found.read, found.inserted) == (5, None, None)
    assert (found.writes, found.write_mean_s, found.write_p99_s) == (0, None, None)


@pytest.mark.parametrize(
    ("counts", "bound_s"),
    [([100, 0, 0], 0.005), ([98, 2, 0], 0.01), ([*NONE[:-1], 1], float("inf"))],
)
def test_the_bound_is_that_of_the_bucket_which_holds_the_share(
    counts: list[int], bound_s: float
) -> None:
    assert bound_of(counts, 0.99) == bound_s


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"records_read": "1"}, {"records_read": 1, "position_writes": {}, "acks": 1}],
)
def test_an_instance_of_another_version_has_no_counters(answer: object) -> None:
    assert Counters.parse(answer) is None


def test_a_failed_look_keeps_what_was_seen_and_says_why_and_old_rates_are_forgotten() -> None:
    history = History(sample(0.0))
    for second in range(1, RATES_MAX + 10):
        history.take(sample(float(second)))
    assert len(history.view.rates) == len(history.view.lags) == RATES_MAX
    history.fail("away")
    assert history.view.error == "away"
    assert history.view.sample.at_s == RATES_MAX + 9
    history.take(sample(1_000.0))
    assert history.view.error is None
