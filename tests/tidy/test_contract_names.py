"""The names that others rely on: environment, metrics, decode codes and log words, each exactly once."""

from __future__ import annotations

from dataclasses import fields

import pytest

from processor._codec import COLUMNS, DECODE_CODES
from processor.config import Config, load_config
from processor.core.schema import WRITTEN_COLUMNS
from processor.edges.http.exposition import metrics_text
from processor.exit_codes import ExitCode
from processor.statistics import (
    READ_RESULTS,
    WRITE_STATUSES,
    Build,
    Recorder,
)

REQUIRED = {
    "REDIS_URL": "redis://127.0.0.1",
    "POSTGRES_URL": "postgresql://processor@127.0.0.1/telemetry",
}
# What hangs on the machine has its own tests: CONTROL_SOCKET and PANIC_DUMP_DIR.
DEFAULTS: dict[str, str | int] = {
    "INSTANCE_ID": "processor-1",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
    "REDIS_TELEMETRY_STREAM": "telemetry:teltonika",
    "REDIS_CONSUMER_GROUP": "processor",
    "REDIS_CONSUMER_NAME": "processor-1",
    "REDIS_DLQ_STREAM": "telemetry:teltonika:dlq",
    "BATCH_SIZE": 5_000,
    "BATCH_BLOCK_MS": 1_000,
    "WRITE_BATCH_SIZE": 20_000,
    "WRITE_LINGER_MS": 5,
    "WRITERS": 1,
    "DEVICE_STATE_LRU_CAP": 100_000,
    "CLAIM_THRESHOLD_MS": 60_000,
    "CLAIM_INTERVAL_MS": 15_000,
    "DLQ_MAX_ATTEMPTS": 3,
    "MAX_PAYLOAD_BYTES": 65_536,
    "TS_PAST_MAX_DAYS": 3_650,
    "TS_FUTURE_MAX_S": 86_400,
    "DRAIN_BUDGET_MS": 8_000,
    "SHUTDOWN_TIMEOUT_MS": 30_000,
    "CONNECT_ATTEMPTS": 10,
    "CONNECT_BACKOFF_MAX_MS": 5_000,
    "METRICS_HOST": "0.0.0.0",  # noqa: S104
    "METRICS_PORT": 9_090,
}
METRICS = {
    "consumer_reads_total": ("counter", [f'{{result="{it}"}}' for it in ("ok", "empty", "error")]),
    "consumer_records_total": ("counter", [""]),
    "consumer_lag": ("gauge", [""]),
    "decode_errors_total": ("counter", [f'{{code="{code}"}}' for code in DECODE_CODES]),
    "position_writes_total": (
        "counter",
        [f'{{status="{it}"}}' for it in ("inserted", "duplicate", "discarded", "failed")],
    ),
    "position_write_duration_seconds": ("histogram", []),
    "acks_total": ("counter", [""]),
    "device_state_size": ("gauge", [""]),
    "device_state_evictions_total": ("counter", [""]),
}


def test_the_environment_is_the_contracts() -> None:
    names = {each.name.upper() for each in fields(Config)}
    assert names == {*REQUIRED, *DEFAULTS, "CONTROL_SOCKET", "PANIC_DUMP_DIR"}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_is_the_contracts(name: str) -> None:
    assert getattr(load_config(REQUIRED), name.lower()) == DEFAULTS[name]


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_the_contracts_and_there_from_the_start(name: str) -> None:
    recorder = Recorder(Build(version="1.0", stream="s", group="g", consumer="c"))
    recorder.queue_seen(lag=0, pending_entries=0)
    text = metrics_text(recorder.snapshot()).decode()
    kind, labels = METRICS[name]
    assert text.count(f"# TYPE processor_{name} {kind}\n") == 1
    for label in labels:
        assert text.count(f"\nprocessor_{name}{label} 0.0\n") == 1


def test_the_codec_and_the_schema_have_the_same_columns() -> None:
    assert tuple(column.name for column in WRITTEN_COLUMNS) == COLUMNS


def test_results_and_statuses_are_the_contracts() -> None:
    assert READ_RESULTS == ("ok", "empty", "error")
    assert WRITE_STATUSES == ("inserted", "duplicate", "discarded", "failed")


def test_exit_codes_are_the_contracts() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "CLEAN": 0,
        "UNCAUGHT": 1,
        "TIMED_OUT": 3,
        "UNREACHABLE": 4,
        "SCHEMA": 5,
        "BAD_CONFIGURATION": 78,
    }
