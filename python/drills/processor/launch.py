"""Run, the start: the environment of the service under test."""

# ruff: noqa: RUF009 - variable() makes a dataclass field
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drills.processor.table import PostgresPlace, postgres_place
from telemetry.chassis.config.parsers import milliseconds
from telemetry.chassis.config.redis_target import RedisTarget, redis_target
from telemetry.chassis.config.variables import load, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.identity import Identity

# The operator's own values win. A production threshold of a minute would make each killed round wait as long; the
# others are the contract's defaults (section 5), which the drill has to know.
_DEFAULTS = {
    "CLAIM_THRESHOLD_MS": "3000",
    "CLAIM_INTERVAL_MS": "500",
    "DRAIN_BUDGET_MS": "8000",
    "SHUTDOWN_TIMEOUT_MS": "30000",
}
SESSION_NAME_VARIABLE = "PGAPPNAME"
# The rest of the operator's environment is the shell's business, and a container has its own.
_SERVICE_VARIABLES = (
    "BATCH_", "CLAIM_", "CONNECT_", "DEVICE_STATE_", "DLQ_MAX_", "DRAIN_", "MAX_PAYLOAD_", "METRICS_HOST",
    "POSTGRES_URL", "READ_INTERVAL_", "REDIS_URL", "SHUTDOWN_", "TS_", "WRITE",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """Those of the service's variables that the drill depends on, as both read them."""

    redis_url: RedisTarget = variable(redis_target, secret=True)
    postgres_url: PostgresPlace = variable(postgres_place, secret=True)
    claim_threshold_ms: int = variable(milliseconds())
    claim_interval_ms: int = variable(milliseconds())
    drain_budget_ms: int = variable(milliseconds())
    shutdown_timeout_ms: int = variable(milliseconds())


def service_settings(environment: Mapping[str, str]) -> ServiceSettings:
    """Read a service's environment. Raises ConfigError that names every bad variable of these."""
    return load(ServiceSettings, environment)


def service_environment(
    environ: Mapping[str, str], identity: Identity, instance: int
) -> dict[str, str]:
    """What the service reads, and nothing of the operator's stream, group or port."""
    taken = {
        name: value
        for name, value in environ.items()
        if name.startswith(_SERVICE_VARIABLES) and value
    }
    return {
        **_DEFAULTS,
        "METRICS_HOST": "127.0.0.1",
        **taken,
        "INSTANCE_ID": identity.consumer(instance),
        "REDIS_TELEMETRY_STREAM": identity.stream,
        "REDIS_CONSUMER_GROUP": identity.group,
        "REDIS_CONSUMER_NAME": identity.consumer(instance),
        "REDIS_DLQ_STREAM": identity.dlq_stream,
        "METRICS_PORT": "0",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",  # so that the log has the number of inserted rows of each batch
        SESSION_NAME_VARIABLE: identity.name,
    }
