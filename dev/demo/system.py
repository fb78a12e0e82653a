"""Starts the system of the demo: an embedded Redis and PostgreSQL with the schema, and both services, ready."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.schema import create_database
from dev.servers import (
    Choice,
    Database,
    PostgresServer,
    RedisServer,
    find_postgres,
    find_redis,
    launch_postgres,
    launch_redis,
)
from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STREAM = "telemetry:teltonika"
DATABASE = "positions"
PROCESSOR = Path(sys.executable).with_name("processor")
TCP_INGESTION = Path(sys.executable).with_name("tcp-ingestion")
PROBE_TIMEOUT_S = 1.0
# The capture never changes: it holds records from 2021, of a clock that had not been set.
TS_PAST_DAYS = 100 * 365


@dataclass(frozen=True)
class System:
    """Everything that runs, and where it can be reached."""

    redis: RedisServer
    postgres: PostgresServer
    database: Database
    processor: ServerProcess
    processor_url: str
    log: Path
    ingestion: ServerProcess
    ingestion_address: str
    """Host and port that devices connect to."""
    ingestion_log: Path


@contextlib.contextmanager
def start_system(output: Path, say: Callable[[str], None]) -> Iterator[System]:
    """Start Redis, PostgreSQL, the processor and tcp-ingestion, in this order; stop them in the opposite one.

    Raises ServerError with the end of a log when one of them does not start.
    """
    redis_binary, postgres_binaries = find_redis(Choice.EMBEDDED), find_postgres(Choice.EMBEDDED)
    with contextlib.ExitStack() as stack:
        say(f"starting {redis_binary}")
        redis = stack.enter_context(launch_redis(redis_binary, durable=True))
        say(f"starting {postgres_binaries}, as a new cluster")
        postgres = stack.enter_context(launch_postgres(postgres_binaries, durable=True))
        database = create_database(postgres, DATABASE)
        say("starting the processor")
        log = output / "processor.log"
        port = free_port()
        settings = {
            "REDIS_URL": redis.processor_url,
            "POSTGRES_URL": database.processor_url,
            "TS_PAST_MAX_DAYS": str(TS_PAST_DAYS),
            "LOG_LEVEL": "debug",
        }
        processor = stack.enter_context(_run_service(PROCESSOR, settings, port, log))
        say("starting tcp-ingestion")
        ingestion_log, devices_port = output / "tcp-ingestion.log", free_port()
        settings = {
            "REDIS_URL": redis.ingestion_url,
            "TELTONIKA_HOST": HOST,
            "TELTONIKA_PORT": str(devices_port),
        }
        ingestion = stack.enter_context(
            _run_service(TCP_INGESTION, settings, free_port(), ingestion_log)
        )
        yield System(
            redis=redis,
            postgres=postgres,
            database=database,
            processor=processor,
            processor_url=f"http://{HOST}:{port}",
            log=log,
            ingestion=ingestion,
            ingestion_address=f"{HOST}:{devices_port}",
            ingestion_log=ingestion_log,
        )


@contextlib.contextmanager
def _run_service(
    program: Path, settings: Mapping[str, str], port: int, log: Path
) -> Iterator[ServerProcess]:
    log.unlink(missing_ok=True)
    with guarded_directory("demo", last_signal=signal.SIGKILL) as directory:
        process = ServerProcess(
            name=program.name,
            argv=[program, "run"],
            directory=directory,
            log=log,
            stop_signal=signal.SIGTERM,
            answers=lambda: _ready(f"http://{HOST}:{port}/readyz"),
            # Nothing from the caller's environment: the demo is the same on every machine.
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                **settings,
                "REDIS_TELEMETRY_STREAM": STREAM,
                "METRICS_HOST": HOST,
                "METRICS_PORT": str(port),
                "PANIC_DUMP_DIR": str(log.parent),
            },
        )
        try:
            process.start()
            yield process
        finally:
            process.stop()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S):  # noqa: S310  # our own
            return True
    except OSError:  # refused, timed out, or an HTTP status that says "not yet"
        return False
