"""Each fact that can be reported: the log line that it writes, if any, and what it changes in the snapshot."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from processor.journal.journal import Journal
from processor.journal.reading import IDS_SHOWN_MAX
from processor.journal.statistics import WRITE_DURATION_BOUNDS_S, DrainResult
from processor.journal.writing import AWAITED
from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import Phase
from tests.processor.journal.facts.fact import Line
from tests.processor.journal.facts.life import LIFE, NOW_MS
from tests.processor.journal.facts.reading import READING
from tests.processor.journal.facts.requests import REQUESTS
from tests.processor.journal.facts.settling import REFUSED, SETTLING
from tests.processor.journal.facts.writing import WRITING
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trio.testing import MockClock

    from processor.journal.statistics import Statistics
    from tests.processor.journal.facts.fact import Fact
    from tests.support.log_pipe import Pipe

FACTS = [*LIFE, *READING, *WRITING, *SETTLING, *REQUESTS]
CONTRACT_CODES = """
missing_payload missing_codec unknown_codec bad_json missing_field bad_type out_of_range bad_timestamp
ts_out_of_window bad_sentinel unstorable_text too_large too_deep
"""


def changes(before: Statistics, after: Statistics) -> dict[str, object]:
    """The fields that differ; of mappings, the keys that do."""
    found: dict[str, object] = {}
    for each in dataclasses.fields(before):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            found[each.name] = changed_keys(old, new) if hasattr(new, "items") else new
    return found


def changed_keys(old: Any, new: Any) -> dict[str, object]:
    return {name: value for name, value in new.items() if old.get(name) != value}


@pytest.fixture(autouse=True)
def it_is_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOW_MS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.line.msg if fact.line else fact.name)
async def test_a_fact_is_logged_as_the_contract_has_it_and_counted(
    clock: MockClock, pipe: Pipe, fact: Fact
) -> None:
    del clock
    journal = new_journal(pipe.log())
    before = journal.snapshot()
    fact.report(journal)
    lines = pipe.lines()
    for line in lines:
        assert line.pop("service") == "processor"
        assert {line.pop("time")[:2], line.pop("instance_id")} == {"20", "i-1"}
    assert [Line(line.pop("level"), line.pop("msg"), line) for line in lines] == (
        [fact.line] if fact.line else []
    )
    assert changes(before, journal.snapshot()) == fact.changes


def test_every_fact_is_in_the_table() -> None:
    methods = {name for name in dir(Journal) if not name.startswith("_")}
    assert {fact.name for fact in FACTS} == methods - {"snapshot", "health"}


def test_of_many_lost_entries_every_id_is_in_one_of_several_lines(pipe: Pipe) -> None:
    entry_ids = [f"{number}-0" for number in range(1, 2 * IDS_SHOWN_MAX + 2)]
    new_journal(pipe.log()).entries_lost(entry_ids)
    lines = pipe.lines()
    assert [line["n"] for line in lines] == [IDS_SHOWN_MAX, IDS_SHOWN_MAX, 1]
    assert [entry_id for line in lines for entry_id in line["entry_ids"]] == entry_ids


@pytest.mark.parametrize(
    "report",
    [
        lambda journal: journal.rows_discarded(n=1),
        lambda journal: journal.records_left(n=1, sqlstate="23514", error="no partition"),
        lambda journal: journal.trials_lack_a_session(error="too many", waits=True),
    ],
)
async def test_what_each_batch_would_repeat_is_logged_once_a_minute(
    clock: MockClock, pipe: Pipe, report: Callable[[Journal], object]
) -> None:
    journal = new_journal(pipe.log())
    for _ in range(3):
        report(journal)
        await trio.sleep(59)
    assert len(pipe.lines()) == 2


async def test_records_that_are_left_for_different_reasons_are_each_logged(pipe: Pipe) -> None:
    journal = new_journal(pipe.log())
    for sqlstate in ("23514", "42501", "23514"):
        journal.records_left(n=1, sqlstate=sqlstate, error="refused")
    assert [line["sqlstate"] for line in pipe.lines()] == ["23514", "42501"]


async def test_a_standby_that_is_awaited_makes_postgres_unready_until_it_is_no_longer(
    pipe: Pipe,
) -> None:
    journal = new_journal(pipe.log())
    journal.dependency_ready("postgres")
    journal.standby_awaited(sessions=1)
    assert journal.snapshot().unready["postgres"] == AWAITED
    journal.standby_no_longer_awaited(waited_ms=1)
    assert "postgres" not in journal.snapshot().unready


# Several facts


def delivered(journal: Journal, n: int, *, refused: Sequence[str] = ()) -> None:
    journal.batch_consumed(n=n, first_id="1-0", last_id="2-0", redelivered=False, refused=refused)


def retried(journal: Journal, sqlstate: str | None) -> None:
    journal.batch_retried(rows=1, attempt=1, retry_ms=0, sqlstate=sqlstate, error="lost")


def test_every_label_value_exists_from_the_start_at_zero() -> None:
    now = new_journal().snapshot()
    assert dict(now.reads) == {"ok": 0, "empty": 0, "error": 0}
    assert dict(now.position_writes) == {"inserted": 0, "duplicate": 0, "discarded": 0, "failed": 0}
    assert dict(now.decode_errors) == dict.fromkeys(CONTRACT_CODES.split(), 0)
    of_dead_letters = [*CONTRACT_CODES.split(), "refused_by_server", "no_answer"]
    assert dict(now.dead_letters) == dict.fromkeys(of_dead_letters, 0)
    assert dict(now.write_retries) == {"connection": 0}
    assert {name: it.ready for name, it in now.dependencies.items()} == {
        "redis": False,
        "postgres": False,
    }
    assert (now.lag, now.pending_entries) == (None, None)


def test_a_snapshot_stays_as_it_was() -> None:
    journal = new_journal()
    before = journal.snapshot()
    journal.read_answered(entries=5)
    delivered(journal, 5, refused=["bad_json"])
    journal.dead_lettered(REFUSED, failures=3)
    journal.records_written(inserted=1, duplicates=1)
    journal.write_timed(0.1)
    retried(journal, "40P01")
    journal.dependency_ready("redis")
    assert before == new_journal().snapshot()
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.acks = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        before.reads["ok"] = 1  # type: ignore[index]


def test_reads_are_counted_by_result_and_entries_apart() -> None:
    journal = new_journal()
    for entries in (42, 0, 8):
        journal.read_answered(entries=entries)
    delivered(journal, 50)
    delivered(journal, 3)
    now = journal.snapshot()
    assert dict(now.reads) == {"ok": 2, "empty": 1, "error": 0}
    assert now.records_read == 53


def test_a_read_that_failed_is_counted_and_redis_is_not_ready_for_its_reason() -> None:
    journal = new_journal()
    journal.dependency_ready("redis")
    journal.read_failed(error="redis:6379: the connection was lost", count=1, retry_ms=0)
    now = journal.snapshot()
    assert dict(now.reads) == {"ok": 0, "empty": 0, "error": 1}
    assert now.unready["redis"] == "redis:6379: the connection was lost"


def test_a_new_connection_does_not_make_redis_ready_before_it_delivers() -> None:
    journal = new_journal()
    journal.dependency_ready("redis")
    for entries in (0, 1):
        journal.read_failed(error="redis:6379: READONLY You can't write.", count=1, retry_ms=0)
        journal.dependency_ready("redis")
        assert "READONLY" in journal.snapshot().unready["redis"]
        if entries:
            delivered(journal, entries)
        else:
            journal.read_answered(entries=0)
        assert "redis" not in journal.snapshot().unready


def test_of_several_troubles_with_a_dependency_the_reason_is_what_its_use_found() -> None:
    journal = new_journal()
    journal.read_failed(error="redis:6379: NOGROUP", count=1, retry_ms=0)
    journal.dependency_lost("redis", "redis:6379: OOM")
    assert journal.snapshot().unready["redis"] == "redis:6379: OOM"
    journal.dependency_ready("redis")
    assert journal.snapshot().unready["redis"] == "redis:6379: NOGROUP"


def test_a_read_without_an_entry_says_that_nothing_is_undelivered() -> None:
    journal = new_journal()
    journal.queue_seen(lag=None, pending_entries=3)
    journal.read_answered(entries=2)
    assert journal.snapshot().lag is None
    journal.read_answered(entries=0)
    assert journal.snapshot().lag == 0


def test_claimed_lost_and_dead_lettered_entries_add_up() -> None:
    journal = new_journal()
    journal.entries_claimed(4)
    journal.entries_claimed(3)
    journal.entries_lost(["1-0"])
    journal.entries_lost(["2-0"])
    journal.dead_lettered(REFUSED, failures=3)
    journal.dead_lettered(dataclasses.replace(REFUSED, code="brand_new"), failures=3)
    now = journal.snapshot()
    assert (now.entries_claimed, now.entries_lost) == (7, 2)
    assert now.dead_letters["refused_by_server"] == now.dead_letters["brand_new"] == 1
    assert now.dead_letters["no_answer"] == 0


def test_retries_are_counted_by_their_cause() -> None:
    journal = new_journal()
    for sqlstate in ("40P01", None, "40P01"):
        retried(journal, sqlstate)
    assert dict(journal.snapshot().write_retries) == {"connection": 1, "40P01": 2}


def test_a_dependency_is_ready_once_each_reporter_that_lost_it_has_found_it() -> None:
    journal = new_journal()
    journal.dependency_ready("postgres")
    journal.dependency_lost("postgres", "no answer", by="probe")
    journal.dependency_lost("postgres", "the connection was lost")
    journal.dependency_ready("postgres")
    assert journal.snapshot().unready["postgres"] == "no answer"
    journal.dependency_ready("postgres", by="probe")
    assert "postgres" not in journal.snapshot().unready


@given(st.lists(st.floats(min_value=0, max_value=20)))
def test_each_duration_falls_into_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    journal = new_journal()
    for duration_s in seconds:
        journal.write_timed(duration_s)
    durations = journal.snapshot().write_durations
    for index, bound in enumerate(WRITE_DURATION_BOUNDS_S):
        assert sum(durations.counts[: index + 1]) == sum(each <= bound for each in seconds)
    assert sum(durations.counts) == len(seconds)
    assert durations.sum_s == pytest.approx(sum(seconds))


def test_what_redis_says_of_the_group_may_be_unknown_again() -> None:
    journal = new_journal()
    journal.queue_seen(lag=3, pending_entries=1)
    assert (journal.snapshot().lag, journal.snapshot().pending_entries) == (3, 1)
    journal.queue_seen(lag=None, pending_entries=1)
    assert journal.snapshot().lag is None


def test_the_service_is_ready_while_it_runs_and_both_servers_can_be_used() -> None:
    journal = new_journal()
    journal.dependency_ready("redis")
    journal.dependency_ready("postgres")
    assert dict(journal.snapshot().unready) == {"phase": "starting"}
    journal.phase_entered(Phase.RUNNING)
    assert not journal.snapshot().unready
    journal.dependency_lost("postgres", "db:5432: connection refused")
    assert dict(journal.snapshot().unready) == {"postgres": "db:5432: connection refused"}
    journal.dependency_ready("postgres")
    journal.phase_entered(Phase.DRAINING)
    assert dict(journal.snapshot().unready) == {"phase": "draining"}


def test_a_dependency_that_does_not_exist_is_a_mistake() -> None:
    journal = new_journal()
    with pytest.raises(KeyError, match="mysql is no dependency"):
        journal.dependency_ready("mysql")
    with pytest.raises(KeyError, match="mysql is no dependency"):
        journal.dependency_lost("mysql", "gone")


def test_how_long_a_drain_takes_is_seen_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(clocks, "monotonic_s", lambda: now_s)
    journal = new_journal()
    assert journal.snapshot().drain.duration_s is None
    journal.shutdown_starting(signal="SIGTERM")
    now_s += 2.5
    assert journal.snapshot().drain == DrainResult(duration_s=2.5)


def test_ages_of_entries_are_by_redis_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = new_journal()
    # This machine's clock is an hour ahead of Redis'.
    server_ms = NOW_MS - 3_600_000
    entry_id = f"{server_ms - 5_000}-0"
    journal.queue_seen(
        lag=0, pending_entries=1, oldest_id=entry_id, last_id=entry_id, server_ms=server_ms
    )
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOW_MS + 1_000)
    now = journal.snapshot()
    assert (now.oldest_pending_age_s, now.last_entry_age_s) == (6.0, 6.0)


def test_ages_are_those_of_the_moment_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 1_777_636_800_000
    monkeypatch.setattr(clocks, "unix_ms", lambda: now_ms)
    journal = new_journal()
    unknown = journal.snapshot()
    assert (unknown.oldest_pending_age_s, unknown.last_record_age_s) == (None, None)
    delivered(journal, 1)
    journal.queue_seen(lag=0, pending_entries=1, oldest_id=f"{now_ms - 7_000}-3")
    now_ms += 2_500
    known = journal.snapshot()
    assert (known.oldest_pending_age_s, known.last_record_age_s) == (9.5, 2.5)
    journal.queue_seen(lag=0, pending_entries=0)
    assert journal.snapshot().oldest_pending_age_s is None


async def test_requests_that_arrive_again_are_said_once_and_only_after_a_loss(pipe: Pipe) -> None:
    journal = new_journal(pipe.log())
    journal.control_ready()
    for _ in range(3):
        journal.control_lost(error="r:6379: the connection was lost")
    journal.control_ready()
    journal.control_ready()
    assert [line["level"] for line in pipe.lines()] == ["warn", "info"]
