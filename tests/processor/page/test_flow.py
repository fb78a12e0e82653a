from __future__ import annotations

import pytest
import trio

from processor.page.flow import Flow, Sample
from telemetry.chassis.http.page.flow import INTERVAL_S, SAMPLES_MAX, watch_flow
from tests.support.journals import new_journal


def test_a_sample_is_what_has_changed_since_the_last_one() -> None:
    journal, flow = new_journal(), Flow()
    flow.take(journal.snapshot(), 100.0)
    assert list(flow.samples) == []
    journal.batch_consumed(n=50, first_id="1-0", last_id="50-0", redelivered=False)
    journal.records_written(inserted=30, duplicates=10, discarded=2)
    journal.records_failed(8)
    journal.records_acked(42)
    journal.write_timed(0.03)
    journal.write_timed(0.05)
    journal.queue_seen(lag=7, pending_entries=8)
    flow.take(journal.snapshot(), 102.0)
    [sample] = flow.samples
    assert sample == Sample(
        read_per_s=25.0,
        written_per_s=21.0,
        acked_per_s=21.0,
        write_ms=sample.write_ms,
        lag=7,
        pending=8,
    )
    assert sample.write_ms == pytest.approx(40.0)


def test_without_a_write_its_duration_is_unknown_and_not_0() -> None:
    journal, flow = new_journal(), Flow()
    for at_s in (1.0, 2.0):
        flow.take(journal.snapshot(), at_s)
    [sample] = flow.samples
    assert (sample.write_ms, sample.lag, sample.read_per_s) == (None, None, 0.0)


def test_two_looks_at_one_moment_are_one() -> None:
    journal, flow = new_journal(), Flow()
    for _ in range(2):
        flow.take(journal.snapshot(), 5.0)
    assert list(flow.samples) == []


async def test_samples_are_taken_at_an_interval_and_the_oldest_forgotten(clock: object) -> None:
    journal, flow = new_journal(), Flow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_flow, flow, journal.snapshot)
        await trio.sleep(10 * INTERVAL_S + 1)
        assert len(flow.samples) == 10
        await trio.sleep(2 * SAMPLES_MAX * INTERVAL_S)
        nursery.cancel_scope.cancel()
    assert len(flow.samples) == SAMPLES_MAX
