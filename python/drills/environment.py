"""The environment of the service under test: the operator's, with what the drill must decide itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.identity import Identity

# A production threshold of a minute would make each killed round wait as long. The operator's own values win.
_DEFAULTS = {"CLAIM_THRESHOLD_MS": "3000", "CLAIM_INTERVAL_MS": "500"}
SESSION_NAME_VARIABLE = "PGAPPNAME"
# All else of the operator's environment is the shell's business, and a container has its own.
_SERVICE_VARIABLES = (
    "BATCH_", "CLAIM_", "CONNECT_", "DEVICE_STATE_", "DLQ_MAX_", "DRAIN_", "MAX_PAYLOAD_", "METRICS_HOST",
    "POSTGRES_URL", "REDIS_URL", "SHUTDOWN_", "TS_", "WRITE",
)  # fmt: skip


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
        "CONTROL_SOCKET": "",  # as if not set: its default has the instance's own name in it
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",  # which says of each batch how many rows were inserted
        SESSION_NAME_VARIABLE: identity.name,
    }
