"""The statistics in Prometheus' text form, under the names of contract section 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily

from ingestion.journal.statistics import (
    COMMAND_CODECS,
    OTHER,
    PUBLISH_DURATION_BOUNDS_S,
)
from telemetry.chassis.exposition import (
    counter,
    counters,
    exposition,
    gauge,
    histogram,
    info,
)
from telemetry.chassis.life_metrics import life_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from ingestion.journal.statistics import Statistics


def metrics_text(statistics: Statistics) -> bytes:
    """All metrics of one moment, this process's CPU time and memory among them."""
    return exposition(_metrics(statistics))


def _metrics(now: Statistics) -> Iterator[Metric]:
    yield from _connection_metrics(now)
    yield from _frame_metrics(now)
    yield from _publish_metrics(now)
    yield from _state_metrics(now)


def _connection_metrics(now: Statistics) -> Iterator[Metric]:
    yield gauge(
        "teltonika_connections_active", "Open connections of devices.", now.load.connections
    )
    yield _pairs(
        "teltonika_handshake_total",
        "Logins by result, and by whether the device is on the list; unknown where nobody logged in.",
        ("result", "known"),
        now.handshakes,
    )
    yield counter("teltonika_probes_total", "Connections that ended without a byte.", now.probes)
    yield counters(
        "teltonika_connections_refused_total",
        "Connections that were closed, or had to wait, before a login, by reason.",
        "reason",
        now.refused_connections,
    )
    yield counter("teltonika_pings_total", "Keep-alive bytes.", now.pings)


def _frame_metrics(now: Statistics) -> Iterator[Metric]:
    yield _pairs(
        "teltonika_frames_total", "Frames by codec and result.", ("codec", "result"), now.frames
    )
    yield counters(
        "teltonika_unknown_codec_total",
        "Frames with a right checksum and a codec id that is not supported.",
        "codec",
        {OTHER: now.unknown_codecs},
    )
    yield counters(
        "teltonika_command_responses_total",
        "Sound frames of codec 12 to 15, which carry no positions and get no answer.",
        "codec",
        {codec: now.frames[codec, "ok"] for codec in COMMAND_CODECS},
    )
    yield counter(
        "teltonika_quarantined_total",
        "Frames that cannot be decoded, kept raw and answered.",
        now.quarantined,
    )


def _publish_metrics(now: Statistics) -> Iterator[Metric]:
    yield counters(
        "teltonika_records_published_total",
        "Records that Redis has confirmed, by codec.",
        "codec",
        now.records_published,
    )
    yield histogram(
        "teltonika_publish_duration_seconds",
        "Time from a frame's acceptance to the confirmation of its last record.",
        bounds=PUBLISH_DURATION_BOUNDS_S,
        counts=now.publish_durations.counts,
        total=now.publish_durations.sum_s,
    )
    yield counter(
        "teltonika_publish_overflow_total",
        "Frames dropped unanswered because the publish queue was full.",
        now.overflows,
    )
    yield gauge(
        "teltonika_publish_queue_depth",
        "Records that were accepted and that Redis has not answered.",
        now.load.queue_records,
    )
    yield gauge("teltonika_publish_queue_bytes", "Their bytes on the wire.", now.load.queue_bytes)
    yield gauge(
        "teltonika_oldest_unanswered_seconds",
        "Age of the oldest frame of an open connection that was accepted and has no answer; 0 if all have one.",
        now.load.oldest_unanswered_s,
    )
    yield counters(
        "teltonika_redis_errors_total",
        "Frames that Redis did not confirm, by its code; connection: lost, silent, or too long away.",
        "code",
        now.redis_errors,
    )


def _state_metrics(now: Statistics) -> Iterator[Metric]:
    yield counter(
        "teltonika_log_lines_suppressed_total",
        "Lines about single devices that were left out of the log, so that it stays readable.",
        now.suppressed_lines,
    )
    yield from life_metrics("teltonika", now, drain_budget_s=now.build.drain_budget_s)
    yield info(
        "teltonika_build_info",
        "Always 1: the labels say which version runs, as which instance, and on which streams.",
        {
            "version": now.build.version,
            "instance_id": now.build.instance_id,
            "streams": ",".join(now.build.streams),
        },
    )


def _pairs(
    name: str,
    documentation: str,
    labels: tuple[str, str],
    values: Mapping[tuple[str, str], int],
) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for pair, value in values.items():
        family.add_metric(pair, value)
    return family
