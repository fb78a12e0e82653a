"""What the tasks report, and the frozen object that comes of it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.ledger import Ledger
from processor.journal.statistics import (
    DRAIN_OUTCOMES,
    WRITE_DURATION_BOUNDS_S,
    Build,
    Drain,
    Recorder,
)
from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import Phase

BUILD = Build(version="1.0", stream="s", group="g", consumer="c")

CONTRACT_CODES = """
missing_payload missing_codec unknown_codec bad_json missing_field bad_type out_of_range bad_timestamp
ts_out_of_window bad_sentinel unstorable_text too_large too_deep
"""


def test_every_label_value_exists_from_the_start_at_zero() -> None:
    now = Recorder(BUILD).snapshot()
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
    recorder = Recorder(BUILD)
    before = recorder.snapshot()
    recorder.read_answered(entries=5)
    recorder.decode_refused("bad_json")
    recorder.dead_lettered("bad_json")
    recorder.records_written(inserted=1, duplicates=1)
    recorder.write_timed(0.1)
    recorder.write_retried("40P01")
    recorder.dependency_ready("redis")
    assert before == Recorder(BUILD).snapshot()
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.acks = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        before.reads["ok"] = 1  # type: ignore[index]


def test_reads_are_counted_by_result_and_entries_apart() -> None:
    recorder = Recorder(BUILD)
    for entries in (42, 0, 8):
        recorder.read_answered(entries=entries)
    recorder.entries_delivered(50)
    recorder.entries_delivered(3)
    now = recorder.snapshot()
    assert dict(now.reads) == {"ok": 2, "empty": 1, "error": 0}
    assert now.records_read == 53


def test_a_read_that_failed_is_counted_and_redis_is_not_ready_for_its_reason() -> None:
    recorder = Recorder(BUILD)
    recorder.dependency_ready("redis")
    recorder.read_failed("redis:6379: the connection was lost")
    now = recorder.snapshot()
    assert dict(now.reads) == {"ok": 0, "empty": 0, "error": 1}
    assert now.unready["redis"] == "redis:6379: the connection was lost"


def test_a_new_connection_does_not_make_redis_ready_before_it_delivers() -> None:
    recorder = Recorder(BUILD)
    recorder.dependency_ready("redis")
    for entries in (0, 1):
        recorder.read_failed("redis:6379: READONLY You can't write against a read only replica.")
        recorder.dependency_ready("redis")
        assert "READONLY" in recorder.snapshot().unready["redis"]
        if entries:
            recorder.entries_delivered(entries)
        else:
            recorder.read_answered(entries=0)
        assert "redis" not in recorder.snapshot().unready


def test_of_several_troubles_with_a_dependency_the_reason_is_what_its_use_found() -> None:
    recorder = Recorder(BUILD)
    recorder.read_failed("redis:6379: NOGROUP")
    recorder.dependency_lost("redis", "redis:6379: OOM")
    assert recorder.snapshot().unready["redis"] == "redis:6379: OOM"
    recorder.dependency_ready("redis")
    assert recorder.snapshot().unready["redis"] == "redis:6379: NOGROUP"


def test_a_read_without_an_entry_says_that_nothing_is_undelivered() -> None:
    recorder = Recorder(BUILD)
    recorder.queue_seen(lag=None, pending_entries=3)
    recorder.read_answered(entries=2)
    assert recorder.snapshot().lag is None
    recorder.read_answered(entries=0)
    assert recorder.snapshot().lag == 0


def test_records_are_counted_by_what_became_of_them() -> None:
    recorder = Recorder(BUILD)
    recorder.decode_refused("bad_type")
    recorder.records_failed(2)
    recorder.records_written(inserted=6, duplicates=1)
    recorder.records_acked(7)
    recorder.in_flight(2, Ledger(read=9, acked=7))
    now = recorder.snapshot()
    assert (now.in_flight_records, now.acks) == (2, 7)
    assert now.ledger == Ledger(read=9, acked=7)
    assert dict(now.position_writes) == {"inserted": 6, "duplicate": 1, "discarded": 0, "failed": 2}
    assert now.decode_errors["bad_type"] == 1


def test_what_was_claimed_lost_or_buried_is_counted() -> None:
    recorder = Recorder(BUILD)
    recorder.entries_claimed(4)
    recorder.entries_claimed(3)
    recorder.entries_lost(2)
    recorder.dead_lettered("refused_by_server")
    recorder.dead_lettered("brand_new")
    now = recorder.snapshot()
    assert (now.entries_claimed, now.entries_lost) == (7, 2)
    assert now.dead_letters["refused_by_server"] == now.dead_letters["brand_new"] == 1
    assert now.dead_letters["no_answer"] == 0


def test_retries_are_counted_by_their_cause() -> None:
    recorder = Recorder(BUILD)
    for sqlstate in ("40P01", None, "40P01"):
        recorder.write_retried(sqlstate)
    assert dict(recorder.snapshot().write_retries) == {"connection": 1, "40P01": 2}


def test_a_dependency_is_ready_once_each_reporter_that_lost_it_has_found_it() -> None:
    recorder = Recorder(BUILD)
    recorder.dependency_ready("postgres")
    recorder.dependency_lost("postgres", "no answer", by="probe")
    recorder.dependency_lost("postgres", "the connection was lost")
    recorder.dependency_ready("postgres")
    assert recorder.snapshot().unready["postgres"] == "no answer"
    recorder.dependency_ready("postgres", by="probe")
    assert "postgres" not in recorder.snapshot().unready


def test_a_decode_code_that_is_not_listed_is_counted_all_the_same() -> None:
    recorder = Recorder(BUILD)
    recorder.decode_refused("brand_new")
    assert recorder.snapshot().decode_errors["brand_new"] == 1


@given(st.lists(st.floats(min_value=0, max_value=20)))
def test_each_duration_falls_into_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    recorder = Recorder(BUILD)
    for duration_s in seconds:
        recorder.write_timed(duration_s)
    durations = recorder.snapshot().write_durations
    for index, bound in enumerate(WRITE_DURATION_BOUNDS_S):
        assert sum(durations.counts[: index + 1]) == sum(each <= bound for each in seconds)
    assert sum(durations.counts) == len(seconds)
    assert durations.sum_s == pytest.approx(sum(seconds))


def test_what_redis_says_of_the_group_may_be_unknown_again() -> None:
    recorder = Recorder(BUILD)
    recorder.queue_seen(lag=3, pending_entries=1)
    assert (recorder.snapshot().lag, recorder.snapshot().pending_entries) == (3, 1)
    recorder.queue_seen(lag=None, pending_entries=1)
    assert recorder.snapshot().lag is None


def test_the_devices_in_memory_are_shown() -> None:
    recorder = Recorder(BUILD)
    recorder.devices_seen(size=7, evictions=2)
    now = recorder.snapshot()
    assert (now.device_state_size, now.device_state_evictions) == (7, 2)


def test_the_service_is_ready_while_it_runs_and_both_servers_can_be_used() -> None:
    recorder = Recorder(BUILD)
    recorder.dependency_ready("redis")
    recorder.dependency_ready("postgres")
    assert dict(recorder.snapshot().unready) == {"lifecycle": "starting"}
    recorder.phase_entered(Phase.RUNNING)
    assert not recorder.snapshot().unready
    recorder.dependency_lost("postgres", "db:5432: connection refused")
    assert dict(recorder.snapshot().unready) == {"postgres": "db:5432: connection refused"}
    recorder.dependency_ready("postgres")
    recorder.phase_entered(Phase.DRAINING)
    assert dict(recorder.snapshot().unready) == {"lifecycle": "draining"}


def test_a_dependency_that_does_not_exist_is_a_mistake() -> None:
    recorder = Recorder(BUILD)
    with pytest.raises(KeyError, match="mysql is no dependency"):
        recorder.dependency_ready("mysql")
    with pytest.raises(KeyError, match="mysql is no dependency"):
        recorder.dependency_lost("mysql", "gone")


def test_ages_are_told_as_of_the_moment_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 1_777_636_800_000
    monkeypatch.setattr(clocks, "unix_ms", lambda: now_ms)
    recorder = Recorder(BUILD)
    unknown = recorder.snapshot()
    assert (unknown.oldest_pending_age_s, unknown.last_record_age_s) == (None, None)
    recorder.entries_delivered(1)
    recorder.queue_seen(lag=0, pending_entries=1, oldest_id=f"{now_ms - 7_000}-3")
    now_ms += 2_500
    known = recorder.snapshot()
    assert (known.oldest_pending_age_s, known.last_record_age_s) == (9.5, 2.5)
    recorder.queue_seen(lag=0, pending_entries=0)
    assert recorder.snapshot().oldest_pending_age_s is None


@pytest.mark.parametrize("outcome", DRAIN_OUTCOMES)
def test_the_end_is_told_with_its_duration(outcome: str) -> None:
    recorder = Recorder(BUILD)
    assert recorder.snapshot().drain == Drain()
    recorder.drained(outcome, 1.25)
    assert recorder.snapshot().drain == Drain(outcome, 1.25)
