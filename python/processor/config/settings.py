"""The table of environment variables: each field of `Config` is one, under its name in upper case."""

# ruff: noqa: RUF009 - variable() makes a dataclass field
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from processor.config.postgres_target import PostgresTarget, postgres_target
from telemetry.chassis.config.parsers import Unacceptable, count, milliseconds, port, text
from telemetry.chassis.config.redis_target import RedisTarget, redis_target
from telemetry.chassis.config.service import (
    BACKSTOP_BEHIND_DRAIN,
    ServiceSettings,
    usable_directory,
)
from telemetry.chassis.config.sources import Known
from telemetry.chassis.config.variables import Effective, effective, load, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

PANIC_DUMP_DIR = Path("/var/lib/processor")


def stream_name(raw: str) -> str:
    """The name of one stream; several, as tcp-ingestion takes them, are separated by commas."""
    if "," in text(raw):
        raise Unacceptable(
            "names several streams; accepted: one, without a comma: each instance reads one stream"
        )
    return raw


def consumer_name(known: Known, _environ: Mapping[str, str]) -> str:
    """The instance id."""
    return str(known["instance_id"])


def dlq_stream(known: Known, _environ: Mapping[str, str]) -> str:
    """The stream's name with `:dlq` behind it."""
    return f"{known['redis_telemetry_stream']}:dlq"


def control_channel(known: Known, _environ: Mapping[str, str]) -> str:
    """`<stream>:<group>:control`."""
    return f"{known['redis_telemetry_stream']}:{known['redis_consumer_group']}:control"


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Redis, the names there, and what every instance of the group has in common: what most commands need."""

    redis_url: RedisTarget = variable(redis_target, secret=True, file=True)
    """The server of the stream: `redis://`, `rediss://`, `unix://`, or sentinels that know it."""
    instance_id: str = variable(text, default="processor-1")
    """This instance's name in logs and metrics; distinct among live instances."""
    redis_telemetry_stream: str = variable(stream_name, default="telemetry:teltonika")
    """The stream that is read."""
    redis_consumer_group: str = variable(text, default="processor")
    """The consumer group, created at id 0 when it is missing."""
    redis_consumer_name: str = variable(text, derive=consumer_name)
    """The consumer's name in the group; the instance id unless set."""
    redis_dlq_stream: str = variable(text, derive=dlq_stream)
    """The stream of dead letters; `<stream>:dlq` unless set."""
    redis_control_channel: str = variable(text, derive=control_channel)
    """The Pub/Sub channel of operators' requests; `<stream>:<group>:control` unless set."""
    claim_threshold_ms: int = variable(milliseconds(most=3_600_000), default="60000")
    """Idle time after which a pending entry may be claimed by any instance."""


@dataclass(frozen=True, kw_only=True)
class PostgresSettings:
    """PostgreSQL."""

    postgres_url: PostgresTarget = variable(postgres_target, secret=True, file=True)
    """The server of the table: `postgres://` or `postgresql://`."""


@dataclass(frozen=True, kw_only=True)
class Config(ServiceSettings, PostgresSettings, RedisSettings):
    """All settings; immutable, and its repr holds no password.

    Defaults are written as in the environment, so that they pass the same parsers.
    """

    batch_size: int = variable(count, default="5000")
    """Entries one XREADGROUP asks for."""
    batch_block_ms: int = variable(milliseconds(), default="1000")
    """How long one XREADGROUP waits for entries."""
    read_interval_ms: int = variable(milliseconds(least=0), default="5")
    """Least time between two reads that came back less than full; 0: read at once."""
    write_batch_size: int = variable(count, default="20000")
    """Rows in one COPY at most."""
    writers: int = variable(count, default="1")
    """Concurrent PostgreSQL writers; a device always goes to the same one."""
    device_state_lru_cap: int = variable(count, default="100000")
    """Devices held in memory."""
    claim_interval_ms: int = variable(milliseconds(), default="15000")
    """Time between two looks for entries to claim."""
    dlq_max_attempts: int = variable(count, default="3")
    """Failures of one record that make it a dead letter."""
    max_payload_bytes: int = variable(count, default="65536")
    """Longer payloads are refused as `too_large`."""
    ts_past_max_days: int = variable(count, default="3650")
    """Positions dated further back are refused as `ts_out_of_window`."""
    ts_future_max_s: int = variable(count, default="86400")
    """Positions dated further ahead are refused as `ts_out_of_window`."""
    metrics_port: int = variable(port, default="9090")
    """Their port; 0 takes any free one."""
    panic_dump_dir: str = variable(text, derive=usable_directory(PANIC_DUMP_DIR))
    """Directory that takes the dump of an uncaught exception."""


RELATIONS = (BACKSTOP_BEHIND_DRAIN,)

RETIRED = {"CONTROL_SOCKET": "REDIS_CONTROL_CHANNEL", "WRITE_LINGER_MS": "READ_INTERVAL_MS"}
"""Variables that are ignored now, and what does their work."""


def effective_config(environ: Mapping[str, str]) -> list[Effective]:
    """Every variable as it is in effect, secrets hidden; a required one may be missing.

    Raises ConfigError as `load_config` does, if another fault is found.
    """
    found, faults = effective(Config, environ, RELATIONS)
    if faults:
        # With the same message, which also names what is required and missing.
        load_config(environ)
    return found


def load_config(environ: Mapping[str, str]) -> Config:
    """Read the whole table. An empty variable counts as not set.

    Raises ConfigError with one line for every variable that is missing or bad.
    """
    return load(Config, environ, RELATIONS)
