"""`processor run`: the service itself."""

from __future__ import annotations

import click

from processor.config import RETIRED, Config, load_config
from processor.journal import SERVICE
from telemetry.chassis.cli.running import run_configured

EPILOG = """\
\b
Exit codes:
  0   stopped, everything read was decided
  1   uncaught exception, or the backstop SHUTDOWN_TIMEOUT_MS
  3   stopped undecided: DRAIN_BUDGET_MS ran out, or a second signal came; the rest stays pending
  4   Redis or PostgreSQL unreachable at start-up, or credentials refused
  5   the schema is missing or not what it should be, or a privilege is missing
  78  bad configuration, or a listening port in use

\b
Example:
  REDIS_URL=redis://127.0.0.1 POSTGRES_URL=postgres://processor@127.0.0.1/telemetry processor run
"""


@click.command(epilog=EPILOG)
def run() -> int:
    """Write the stream's positions into the table until a stop request.

    Reads positions from the consumer group of a Redis Stream and writes them into the table `positions`, until SIGTERM
    or SIGINT. REDIS_URL and POSTGRES_URL are required.
    """

    def serve(config: Config) -> int:
        # Imported late: a bad environment is reported without waiting for the servers' clients to load.
        from processor.service.process import run_service  # noqa: PLC0415

        return run_service(config)

    return run_configured(SERVICE, load_config, serve, retired=RETIRED)
