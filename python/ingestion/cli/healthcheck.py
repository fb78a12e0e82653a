"""`tcp-ingestion healthcheck`, for images."""

from __future__ import annotations

from telemetry.chassis.cli.commands.healthcheck import healthcheck_command

healthcheck = healthcheck_command("tcp-ingestion", port_default=9091)
