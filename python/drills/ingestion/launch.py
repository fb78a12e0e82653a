"""Run, the start: the environment of the service under test."""

# ruff: noqa: RUF009 - variable() makes a dataclass field
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.config.parsers import milliseconds
from telemetry.chassis.config.redis_target import RedisTarget, redis_target
from telemetry.chassis.config.variables import load, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.identity import Identity

# The contract's, which the drill has to know; the operator's own win.
_DEFAULTS = {"DRAIN_BUDGET_MS": "8000", "SHUTDOWN_TIMEOUT_MS": "30000"}
# The rest of the operator's environment is the shell's business, and a container has its own.
_SERVICE_VARIABLES = (
    "CONNECT_", "DRAIN_BUDGET_", "FRAME_", "IDLE_", "LOGIN_", "MAX_", "METRICS_HOST", "PUBLISH_", "QUARANTINE_",
    "REDIS_URL", "SHUTDOWN_",
)  # fmt: skip
HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestionSettings:
    """Those of the service's variables that the drill depends on, as both read them."""

    redis_url: RedisTarget = variable(redis_target, secret=True)
    drain_budget_ms: int = variable(milliseconds())
    shutdown_timeout_ms: int = variable(milliseconds())


def ingestion_settings(environment: Mapping[str, str]) -> IngestionSettings:
    """Read a service's environment. Raises ConfigError that names every bad variable of these."""
    return load(IngestionSettings, environment)


def ingestion_environment(
    environ: Mapping[str, str], identity: Identity, port: int
) -> dict[str, str]:
    """What the service reads, and nothing of the operator's stream, list of devices or ports.

    Devices find each life on the same port, and the stream is never trimmed.
    """
    taken = {
        name: value
        for name, value in environ.items()
        if name.startswith(_SERVICE_VARIABLES) and value
    }
    return {
        **_DEFAULTS,
        "METRICS_HOST": HOST,
        **taken,
        "INSTANCE_ID": identity.consumer(0),
        "TELTONIKA_HOST": HOST,
        "TELTONIKA_PORT": str(port),
        "REDIS_TELEMETRY_STREAM": identity.stream,
        "REDIS_STREAM_MAXLEN": "0",
        "REDIS_CONTROL_CHANNEL": f"{identity.stream}:control",
        "DEVICE_ALLOWLIST_KEY": f"{identity.stream}:devices",
        "METRICS_PORT": "0",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "info",
    }
