"""The statistics in Prometheus' text form, under the names of contract section 6."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from processor.journal.statistics import DRAIN_OUTCOMES, WRITE_DURATION_BOUNDS_S
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from processor.journal.statistics import Build, Durations, Statistics


def metrics_text(statistics: Statistics) -> bytes:
    """All metrics of one moment, this process's CPU time and memory among them."""
    # Not the library's default registry, which is global: other users may have metrics in it.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StatisticsCollector(statistics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _StatisticsCollector(Collector):
    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        yield from _stream_metrics(self._statistics)
        yield from _entry_metrics(self._statistics)
        yield from _write_metrics(self._statistics)
        yield from _state_metrics(self._statistics)


def _stream_metrics(now: Statistics) -> Iterator[Metric]:
    yield _counters(
        "processor_consumer_reads_total", "XREADGROUP calls by result.", "result", now.reads
    )
    yield CounterMetricFamily(
        "processor_consumer_records_total", "Entries read.", value=now.records_read
    )
    yield _gauge(
        "processor_consumer_lag",
        "Entries not yet delivered to the group; absent while Redis does not answer.",
        now.lag,
    )
    yield _gauge(
        "processor_pending_entries",
        "Entries delivered to the group and not acknowledged; absent before Redis was asked.",
        now.pending_entries,
    )
    yield _gauge(
        "processor_oldest_pending_age_seconds",
        "Time since the oldest pending entry was published; absent while nothing is pending.",
        now.oldest_pending_age_s,
    )
    yield _gauge(
        "processor_last_record_age_seconds",
        "Time since entries were last delivered; absent before the first.",
        now.last_record_age_s,
    )
    yield _gauge(
        "processor_last_entry_age_seconds",
        "Time since the last entry was published to the stream, by Redis' clock and whoever reads it;"
        " absent before the first.",
        now.last_entry_age_s,
    )


def _entry_metrics(now: Statistics) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "processor_claims_total",
        "Pending entries taken from consumers that left them idle.",
        value=now.entries_claimed,
    )
    yield CounterMetricFamily(
        "processor_lost_entries_total",
        "Pending entries that were trimmed or deleted from the stream before they were written.",
        value=now.entries_lost,
    )
    yield _counters(
        "processor_dead_letters_total",
        "Entries moved to the dead-letter stream, by the code of their last failure.",
        "code",
        now.dead_letters,
    )
    yield _counters(
        "processor_decode_errors_total",
        "Entries that are not Positions, by code.",
        "code",
        now.decode_errors,
    )


def _write_metrics(now: Statistics) -> Iterator[Metric]:
    yield _counters(
        "processor_position_writes_total",
        "Records by the result of their write.",
        "status",
        now.position_writes,
    )
    yield HistogramMetricFamily(
        "processor_position_write_duration_seconds",
        "Duration of one COPY up to its commit.",
        buckets=_cumulative_buckets(now.write_durations),
        sum_value=now.write_durations.sum_s,
    )
    yield _counters(
        "processor_write_retries_total",
        "Batches written again through no fault of a record, by SQLSTATE, or connection without one.",
        "cause",
        now.write_retries,
    )
    yield CounterMetricFamily("processor_acks_total", "Entries acknowledged.", value=now.acks)
    yield _gauge(
        "processor_in_flight_records",
        "Entries read, and neither settled nor left pending yet.",
        now.in_flight_records,
    )
    ledger = GaugeMetricFamily(
        "processor_ledger_entries",
        "Entries that this process has read, by what became of them.",
        labels=["class"],
    )
    for name, entries in asdict(now.ledger).items():
        ledger.add_metric([name], entries)
    yield ledger


def _state_metrics(now: Statistics) -> Iterator[Metric]:
    yield _gauge(
        "processor_drain_duration_seconds",
        "Time since the stop request; absent before it.",
        now.drain.duration_s,
    )
    yield _gauge(
        "processor_drain_budget_seconds",
        "Time from the stop request to the last acknowledgement, at most.",
        now.build.drain_budget_s,
    )
    yield _states(
        "processor_drain_outcome",
        "1 for the outcome of the drain, once it has ended.",
        "outcome",
        {name: name == now.drain.outcome for name in DRAIN_OUTCOMES},
    )
    yield _states(
        "processor_phase",
        "1 for the phase of its life that the process is in.",
        "phase",
        {phase.value: phase is now.phase for phase in Phase},
    )
    yield _gauge("processor_device_state_size", "Devices in memory.", now.device_state_size)
    yield CounterMetricFamily(
        "processor_device_state_evictions_total",
        "Devices dropped from memory to make room.",
        value=now.device_state_evictions,
    )
    yield _counters(
        "processor_rehydrations_total",
        "Devices that were not in memory, by the result of looking them up in the table.",
        "result",
        now.rehydrations,
    )
    yield _counters(
        "processor_requests_total",
        "Operators' requests that this instance has taken.",
        "request",
        now.requests,
    )
    yield _counters(
        "processor_control_messages_dropped_total",
        "Messages on the control channel that were no requests.",
        "reason",
        now.control_messages_dropped,
    )
    yield _states(
        "processor_dependency_ready",
        "1 while the server can be used.",
        "dependency",
        {name: readiness.ready for name, readiness in now.dependencies.items()},
    )
    yield _build_info(now.build)


def _build_info(build: Build) -> Metric:
    # Not `instance`: Prometheus has that label for the address it scrapes, and would rename ours.
    labels = ("version", "instance_id", "stream", "group", "consumer")
    info = GaugeMetricFamily(
        "processor_build_info",
        "Always 1: the labels say which version runs, as which instance, and on which stream, group and consumer.",
        labels=labels,
    )
    info.add_metric([getattr(build, label) for label in labels], 1)
    return info


def _counters(name: str, documentation: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def _states(name: str, documentation: str, label: str, states: Mapping[str, bool]) -> Metric:
    """A gauge of 1 for each state that is so, and of 0 for the others."""
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for state, is_so in states.items():
        family.add_metric([state], int(is_so))
    return family


def _gauge(name: str, documentation: str, value: float | None) -> Metric:
    """A gauge, without a sample if the value is unknown: 0 would look like an answer."""
    return GaugeMetricFamily(name, documentation, value=value)


def _cumulative_buckets(durations: Durations) -> list[tuple[str, float]]:
    bounds = [*map(str, WRITE_DURATION_BOUNDS_S), "+Inf"]
    return list(zip(bounds, itertools.accumulate(durations.counts), strict=True))
