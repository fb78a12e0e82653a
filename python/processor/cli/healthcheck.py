"""`processor healthcheck`, for images: an engine runs it every few seconds, so it imports little."""

from __future__ import annotations

import click

from telemetry.chassis.cli import say
from telemetry.chassis.healthcheck import problem

METRICS_PORT_DEFAULT = 9090


@click.command(
    epilog="""\
\b
Example, in a Dockerfile:
  HEALTHCHECK CMD ["processor", "healthcheck"]

\b
Environment: METRICS_HOST and METRICS_PORT, as for `run`
Exit codes: 0 alive, 1 not; then one line on standard error says why"""
)
def healthcheck() -> int:
    """Ask the service on this machine whether it is alive."""
    found = problem(METRICS_PORT_DEFAULT)
    if found is None:
        return 0
    say(found)
    return 1
