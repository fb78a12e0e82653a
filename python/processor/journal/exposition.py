"""The statistics in Prometheus' text form, under the names of contract section 6."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from processor.journal.statistics import WRITE_DURATION_BOUNDS_S
from telemetry.chassis.exposition import (
    counter,
    counters,
    exposition,
    gauge,
    gauges,
    histogram,
    info,
)
from telemetry.chassis.life_metrics import life_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from processor.journal.statistics import Statistics


def metrics_text(statistics: Statistics) -> bytes:
    """All metrics of one moment, this process's CPU time and memory among them."""
    return exposition(_metrics(statistics))


def _metrics(now: Statistics) -> Iterator[Metric]:
    yield from _stream_metrics(now)
    yield from _entry_metrics(now)
    yield from _write_metrics(now)
    yield from _state_metrics(now)


def _stream_metrics(now: Statistics) -> Iterator[Metric]:
    yield counters(
        "processor_consumer_reads_total", "XREADGROUP calls by result.", "result", now.reads
    )
    yield counter("processor_consumer_records_total", "Entries read.", value=now.records_read)
    yield gauge(
        "processor_consumer_lag",
        "Entries not yet delivered to the group; absent while Redis does not answer.",
        now.lag,
    )
    yield gauge(
        "processor_pending_entries",
        "Entries delivered to the group and not acknowledged; absent before Redis was asked.",
        now.pending_entries,
    )
    yield gauge(
        "processor_oldest_pending_age_seconds",
        "Time since the oldest pending entry was published; absent while nothing is pending.",
        now.oldest_pending_age_s,
    )
    yield gauge(
        "processor_last_record_age_seconds",
        "Time since entries were last delivered; absent before the first.",
        now.last_record_age_s,
    )
    yield gauge(
        "processor_last_entry_age_seconds",
        "Time since the last entry was published to the stream, by Redis' clock and whoever reads it;"
        " absent before the first.",
        now.last_entry_age_s,
    )


def _entry_metrics(now: Statistics) -> Iterator[Metric]:
    yield counter(
        "processor_claims_total",
        "Pending entries taken from consumers that left them idle.",
        value=now.entries_claimed,
    )
    yield counter(
        "processor_lost_entries_total",
        "Pending entries that were trimmed or deleted from the stream before they were written.",
        value=now.entries_lost,
    )
    yield counters(
        "processor_dead_letters_total",
        "Entries moved to the dead-letter stream, by the code of their last failure.",
        "code",
        now.dead_letters,
    )
    yield counters(
        "processor_decode_errors_total",
        "Entries that are not Positions, by code.",
        "code",
        now.decode_errors,
    )


def _write_metrics(now: Statistics) -> Iterator[Metric]:
    yield counters(
        "processor_position_writes_total",
        "Records by the result of their write.",
        "status",
        now.position_writes,
    )
    yield histogram(
        "processor_position_write_duration_seconds",
        "Duration of one COPY up to its commit.",
        bounds=WRITE_DURATION_BOUNDS_S,
        counts=now.write_durations.counts,
        total=now.write_durations.sum_s,
    )
    yield counters(
        "processor_write_retries_total",
        "Batches written again through no fault of a record, by SQLSTATE, or connection without one.",
        "cause",
        now.write_retries,
    )
    yield counter("processor_acks_total", "Entries acknowledged.", value=now.acks)
    yield gauge(
        "processor_in_flight_records",
        "Entries read, and neither settled nor left pending yet.",
        now.in_flight_records,
    )
    yield gauges(
        "processor_ledger_entries",
        "Entries that this process has read, by what became of them.",
        "class",
        asdict(now.ledger),
    )


def _state_metrics(now: Statistics) -> Iterator[Metric]:
    yield from life_metrics("processor", now, drain_budget_s=now.build.drain_budget_s)
    yield gauge("processor_device_state_size", "Devices in memory.", now.device_state_size)
    yield counter(
        "processor_device_state_evictions_total",
        "Devices dropped from memory to make room.",
        value=now.device_state_evictions,
    )
    yield counters(
        "processor_rehydrations_total",
        "Devices that were not in memory, by the result of looking them up in the table.",
        "result",
        now.rehydrations,
    )
    # Not `instance`: Prometheus has that label for the address it scrapes, and would rename ours.
    labels = ("version", "instance_id", "stream", "group", "consumer")
    yield info(
        "processor_build_info",
        "Always 1: the labels say which version runs, as which instance, and on which stream, group and consumer.",
        {label: getattr(now.build, label) for label in labels},
    )
