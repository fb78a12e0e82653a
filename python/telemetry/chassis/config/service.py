"""The settings that every service has, under the same names and with the same defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.chassis.config.parsers import choice, count, milliseconds, text
from telemetry.chassis.config.sources import Derive, Known
from telemetry.chassis.config.variables import Relation, variable

LOG_LEVELS = ("trace", "debug", "info", "warn", "error")
LOG_FORMATS = ("json", "pretty")


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The log, the endpoints, the start and the stop; a service adds its own name, port and directory.

    Defaults are written as in the environment, so that they pass the same parsers.
    """

    log_level: str = variable(choice(*LOG_LEVELS), default="info")
    """The least severe level that is written."""
    log_format: str = variable(choice(*LOG_FORMATS), default="json")
    """`json` for machines, `pretty` for people."""
    drain_budget_ms: int = variable(milliseconds(), default="8000")
    """From the stop request to the last piece of work."""
    shutdown_timeout_ms: int = variable(milliseconds(), default="30000")
    """The backstop over the whole shutdown; longer than the drain budget."""
    connect_attempts: int = variable(count, default="10")
    """Tries to reach each server at start-up; afterwards reconnecting never gives up."""
    connect_backoff_max_ms: int = variable(milliseconds(), default="5000")
    """The longest pause between two tries."""
    metrics_host: str = variable(text, default="0.0.0.0")  # noqa: S104 - scraped from other hosts
    """Address that `/metrics`, `/healthz` and `/readyz` listen on."""
    stall_ms: int = variable(milliseconds(), default="60000")
    """How long a task that has work may take no step before `/healthz` fails."""


BACKSTOP_BEHIND_DRAIN = Relation(
    "SHUTDOWN_TIMEOUT_MS",
    lambda known: known["shutdown_timeout_ms"] > known["drain_budget_ms"],
    lambda known: (
        f"{known['shutdown_timeout_ms']} ms does not exceed DRAIN_BUDGET_MS, "
        f"which is {known['drain_budget_ms']} ms; accepted: more than that"
    ),
)


def usable_directory(standard: Path) -> Derive:
    """The default of a directory: `standard` if it exists and is writable, else the working directory."""

    def derive(_known: Known, _environ: Mapping[str, str]) -> str:
        usable = standard.is_dir() and os.access(standard, os.W_OK | os.X_OK)
        return str(standard if usable else Path.cwd())

    return derive
