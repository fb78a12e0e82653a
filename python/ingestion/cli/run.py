"""`tcp-ingestion run`: the service itself."""

from __future__ import annotations

import click

from ingestion.config import Config, load_config
from ingestion.journal import SERVICE
from telemetry.chassis.cli.running import run_configured

EPILOG = """\
\b
Exit codes:
  0   stopped, everything accepted was published
  1   uncaught exception, or the backstop SHUTDOWN_TIMEOUT_MS
  3   stopped with accepted frames left unpublished: DRAIN_BUDGET_MS ran out, a second signal
      came, or Redis was away; none of them was answered, and the devices send them again
  4   Redis unreachable at start-up, or credentials refused
  78  bad configuration, a listening port in use, or no list of devices where one is needed

\b
Example:
  REDIS_URL=redis://127.0.0.1 tcp-ingestion run"""


@click.command(epilog=EPILOG)
def run() -> int:
    """Take positions from devices and publish them to the stream, until a stop request.

    Listens for Teltonika devices over TCP, and over UDP and TLS if their ports are set, until SIGTERM or SIGINT. A
    device is answered for what Redis has confirmed. REDIS_URL is required.
    """

    def serve(config: Config) -> int:
        # Imported late: a bad environment is reported without waiting for everything to load.
        from ingestion.service.process import run_service  # noqa: PLC0415

        return run_service(config)

    return run_configured(SERVICE, load_config, serve)
