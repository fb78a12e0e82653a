"""What the tasks report, and the frozen object that comes of it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.lifecycle import Phase
from processor.statistics import WRITE_DURATION_BOUNDS_S, Build, Recorder

BUILD = Build(version="1.0", stream="s", group="g", consumer="c")

CONTRACT_CODES = """
missing_payload missing_codec unknown_codec bad_json missing_field bad_type out_of_range bad_timestamp
ts_out_of_window bad_sentinel unstorable_text too_large too_deep
"""


def test_every_label_value_exists_from_the_start_at_zero() -> None:
    now = Recorder(BUILD).snapshot()
    assert dict(now.reads) == {"ok": 0, "empty": 0, "error": 0}
    assert dict(now.position_writes) == {"inserted": 0, "duplicate": 0, "failed": 0}
    assert dict(now.decode_errors) == dict.fromkeys(CONTRACT_CODES.split(), 0)
    assert {name: it.ready for name, it in now.dependencies.items()} == {
        "redis": False,
        "postgres": False,
    }
    assert (now.lag, now.pending_entries) == (None, None)


def test_a_snapshot_stays_as_it_was() -> None:
    recorder = Recorder(BUILD)
    before = recorder.snapshot()
    recorder.read_answered(entries=5, records=5)
    recorder.decode_refused("bad_json")
    recorder.batch_committed(inserted=1, duplicates=1, duration_s=0.1)
    recorder.dependency_ready("redis")
    assert before == Recorder(BUILD).snapshot()
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.acks = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        before.reads["ok"] = 1  # type: ignore[index]


def test_reads_are_counted_by_result_and_entries_apart() -> None:
    recorder = Recorder(BUILD)
    for records in (42, 0, 8):
        recorder.read_answered(entries=records, records=records)
    recorder.read_failed()
    now = recorder.snapshot()
    assert dict(now.reads) == {"ok": 2, "empty": 1, "error": 1}
    assert now.records_read == 50


def test_records_are_in_flight_until_they_are_acknowledged_or_refused() -> None:
    recorder = Recorder(BUILD)
    recorder.read_answered(entries=10, records=9)
    recorder.decode_refused("bad_type")
    recorder.records_failed(2)
    recorder.batch_committed(inserted=6, duplicates=1, duration_s=0.2)
    assert recorder.snapshot().in_flight_records == 7
    recorder.records_acked(7)
    now = recorder.snapshot()
    assert (now.in_flight_records, now.acks) == (0, 7)
    assert dict(now.position_writes) == {"inserted": 6, "duplicate": 1, "failed": 2}
    assert now.decode_errors["bad_type"] == 1


def test_a_decode_code_that_is_not_listed_is_counted_all_the_same() -> None:
    recorder = Recorder(BUILD)
    recorder.decode_refused("brand_new")
    assert recorder.snapshot().decode_errors["brand_new"] == 1


@given(st.lists(st.floats(min_value=0, max_value=20)))
def test_each_duration_falls_into_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    recorder = Recorder(BUILD)
    for duration_s in seconds:
        recorder.batch_committed(inserted=0, duplicates=0, duration_s=duration_s)
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
