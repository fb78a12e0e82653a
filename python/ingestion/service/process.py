"""`tcp-ingestion run` as a process: the service with its real edges, in the frame of every service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from ingestion.config import Config
from ingestion.journal import SERVICE
from ingestion.journal.journal import Journal
from ingestion.service.assembly import build_of, dump_options, make_rooms, service_options
from ingestion.service.crash_sections import SECTIONS
from ingestion.service.supervisor import supervise
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.logs import Log
from telemetry.chassis.process import run_process


def run_service(config: Config) -> ExitCode:
    """Run until a stop signal. Raises ConfigError when a port is taken, or a list that is needed is missing."""
    journal = Journal(Log(SERVICE), build_of(config))
    box = BlackBox(*SECTIONS)

    async def live(signals: AsyncIterator[int], arm_backstop: Callable[[], None]) -> ExitCode:
        return await supervise(
            service_options(config),
            lambda: make_rooms(config, journal),
            signals,
            journal,
            arm_backstop=arm_backstop,
            black_box=box,
        )

    return run_process(
        live,
        box=box,
        dumps=dump_options(config),
        backstop_ms=config.shutdown_timeout_ms,
        report_crash=journal.uncaught_exception,
    )
