"""`healthcheck`, for images: an engine runs it every few seconds, so it imports little."""

from __future__ import annotations

import click

from telemetry.chassis.cli import say
from telemetry.chassis.healthcheck import problem

_EPILOG = """\
\b
Example, in a Dockerfile:
  HEALTHCHECK CMD ["{name}", "healthcheck"]

\b
Environment: METRICS_HOST and METRICS_PORT, as for `run`
Exit codes: 0 alive, 1 not; then one line on standard error says why"""


def healthcheck_command(name: str, *, port_default: int) -> click.Command:
    """The command `healthcheck` of a service; `port_default` is that of METRICS_PORT."""

    @click.command(epilog=_EPILOG.format(name=name))
    def healthcheck() -> int:
        """Ask the service on this machine whether it is alive."""
        found = problem(port_default)
        if found is None:
            return 0
        say(found)
        return 1

    return healthcheck
