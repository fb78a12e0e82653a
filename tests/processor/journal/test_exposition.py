"""The metrics' names, types, labels and values, read back with Prometheus's own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from processor.core.attempts import unanswered
from processor.core.ledger import Ledger
from processor.journal import SERVICE
from processor.journal.exposition import metrics_text
from processor.journal.journal import Journal
from processor.journal.statistics import Build
from telemetry.chassis.control.messages import Dropped
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs import Log
from tests.support.counts import DevicesOf, InFlightOf

BUILD = Build(
    version="1.0",
    instance_id="i",
    stream='telemetry:"x"',
    group="g",
    consumer="c",
    drain_budget_s=8.0,
)

TYPES = {
    "processor_consumer_reads": "counter",
    "processor_consumer_records": "counter",
    "processor_consumer_lag": "gauge",
    "processor_decode_errors": "counter",
    "processor_position_writes": "counter",
    "processor_position_write_duration_seconds": "histogram",
    "processor_acks": "counter",
    "processor_device_state_size": "gauge",
    "processor_device_state_evictions": "counter",
    "processor_rehydrations": "counter",
    "processor_pending_entries": "gauge",
    "processor_oldest_pending_age_seconds": "gauge",
    "processor_last_record_age_seconds": "gauge",
    "processor_last_entry_age_seconds": "gauge",
    "processor_drain_duration_seconds": "gauge",
    "processor_drain_budget_seconds": "gauge",
    "processor_phase": "gauge",
    "processor_drain_outcome": "gauge",
    "processor_claims": "counter",
    "processor_lost_entries": "counter",
    "processor_dead_letters": "counter",
    "processor_write_retries": "counter",
    "processor_in_flight_records": "gauge",
    "processor_ledger_entries": "gauge",
    "processor_dependency_ready": "gauge",
    "processor_build_info": "gauge",
    "processor_requests": "counter",
    "processor_control_messages_dropped": "counter",
}
"""By family; a counter's samples end in `_total`."""


def samples(journal: Journal) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics_text(journal.snapshot()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def busy_journal() -> Journal:
    journal = Journal(Log(SERVICE), BUILD)
    journal.read_answered(entries=50)
    journal.read_failed(error="redis:6379: the connection was lost", count=50, retry_ms=0)
    journal.batch_consumed(
        n=50, first_id="1-0", last_id="50-0", redelivered=False, refused=["bad_json"]
    )
    journal.entries_claimed(6)
    journal.entries_lost([f"{n}-0" for n in range(5)])
    journal.dead_lettered(unanswered("1-0", 1), failures=3)
    journal.records_written(inserted=40, duplicates=2)
    journal.write_timed(0.03)
    journal.write_timed(11.0)
    for sqlstate in ("40P01", None):
        journal.batch_retried(rows=1, attempt=1, retry_ms=0, sqlstate=sqlstate, error="lost")
    journal.follow_in_flight(InFlightOf(7, Ledger(read=49, acked=42)))
    journal.records_failed(1)
    journal.records_acked(42)
    journal.queue_seen(lag=9, pending_entries=8)
    journal.follow_devices(DevicesOf(size=3, evictions=1))
    journal.devices_rehydrated("restored", 5)
    journal.devices_rehydrated("failed", 2)
    journal.dependency_ready("redis")
    journal.phase_entered(Phase.RUNNING)
    journal.request_taken("look")
    journal.request_taken("look")
    journal.control_message_dropped(Dropped.OVERSIZE)
    return journal


def test_every_metric_has_the_contracts_name_and_type() -> None:
    text = metrics_text(busy_journal().snapshot()).decode()
    families = {
        family.name: family.type
        for family in text_string_to_metric_families(text)
        if family.name.startswith("processor_")
    }
    assert families == TYPES


def test_every_metric_has_a_help_text() -> None:
    text = metrics_text(busy_journal().snapshot()).decode()
    assert all(family.documentation for family in text_string_to_metric_families(text))


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("processor_consumer_reads_total", {"result": "ok"}, 1),
        ("processor_consumer_reads_total", {"result": "empty"}, 0),
        ("processor_consumer_reads_total", {"result": "error"}, 1),
        ("processor_consumer_records_total", {}, 50),
        ("processor_consumer_lag", {}, 9),
        ("processor_pending_entries", {}, 8),
        ("processor_decode_errors_total", {"code": "bad_json"}, 1),
        ("processor_decode_errors_total", {"code": "too_deep"}, 0),
        ("processor_rehydrations_total", {"result": "restored"}, 5),
        ("processor_rehydrations_total", {"result": "empty"}, 0),
        ("processor_rehydrations_total", {"result": "failed"}, 2),
        ("processor_position_writes_total", {"status": "inserted"}, 40),
        ("processor_position_writes_total", {"status": "duplicate"}, 2),
        ("processor_position_writes_total", {"status": "failed"}, 1),
        ("processor_position_write_duration_seconds_bucket", {"le": "0.025"}, 0),
        ("processor_position_write_duration_seconds_bucket", {"le": "0.05"}, 1),
        ("processor_position_write_duration_seconds_bucket", {"le": "10.0"}, 1),
        ("processor_position_write_duration_seconds_bucket", {"le": "+Inf"}, 2),
        ("processor_position_write_duration_seconds_count", {}, 2),
        ("processor_position_write_duration_seconds_sum", {}, 11.03),
        ("processor_claims_total", {}, 6),
        ("processor_lost_entries_total", {}, 5),
        ("processor_dead_letters_total", {"code": "no_answer"}, 1),
        ("processor_dead_letters_total", {"code": "refused_by_server"}, 0),
        ("processor_dead_letters_total", {"code": "bad_json"}, 0),
        ("processor_write_retries_total", {"cause": "40P01"}, 1),
        ("processor_write_retries_total", {"cause": "connection"}, 1),
        ("processor_acks_total", {}, 42),
        ("processor_in_flight_records", {}, 7),
        ("processor_requests_total", {"request": "look"}, 2),
        ("processor_requests_total", {"request": "dump"}, 0),
        ("processor_requests_total", {"request": "unknown"}, 0),
        ("processor_control_messages_dropped_total", {"reason": "oversize"}, 1),
        ("processor_control_messages_dropped_total", {"reason": "garbage"}, 0),
        ("processor_device_state_size", {}, 3),
        ("processor_device_state_evictions_total", {}, 1),
        ("processor_drain_budget_seconds", {}, 8),
        ("processor_drain_outcome", {"outcome": "clean"}, 0),
        ("processor_phase", {"phase": "running"}, 1),
        ("processor_phase", {"phase": "draining"}, 0),
        ("processor_dependency_ready", {"dependency": "redis"}, 1),
        ("processor_dependency_ready", {"dependency": "postgres"}, 0),
        (
            "processor_build_info",
            {
                "version": "1.0",
                "instance_id": "i",
                "stream": 'telemetry:"x"',
                "group": "g",
                "consumer": "c",
            },
            1,
        ),
    ],
)
def test_a_sample_shows_what_was_reported(name: str, labels: dict[str, str], value: float) -> None:
    assert samples(busy_journal())[name, tuple(sorted(labels.items()))] == value


def test_an_unknown_lag_has_no_sample() -> None:
    journal = busy_journal()
    journal.queue_seen(lag=None, pending_entries=None)
    shown = samples(journal)
    assert ("processor_consumer_lag", ()) not in shown
    assert ("processor_pending_entries", ()) not in shown


def test_the_cpu_time_of_the_process_is_there() -> None:
    assert samples(Journal(Log(SERVICE), BUILD))["process_cpu_seconds_total", ()] > 0
