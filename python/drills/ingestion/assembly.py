"""Puts a drill of tcp-ingestion together: checked settings, Redis, the relay before it, and the devices."""

from __future__ import annotations

import secrets
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import trio

from drills.conductor import Setting
from drills.identity import DRILLS_MAX, Identity
from drills.ingestion.conductor import IngestionConductor
from drills.ingestion.devices import Devices
from drills.ingestion.launch import HOST, ingestion_environment, ingestion_settings
from drills.ingestion.stream import PublishedStream
from drills.ingestion.traces import IngestionTraces
from drills.judgement import Bounds
from drills.lives import Instance, Lives, NothingPending
from drills.plan import DrillOptions, Fault, draw_rounds
from drills.progress import progress_bar
from drills.relay import Relay, redis_relay
from drills.traces import SIGNALS, check_stream, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from drills.ingestion.launch import IngestionSettings
    from drills.ingestion.result import IngestionResult
    from drills.launch import Launcher

REDIS_ADMIN_URL = "REDIS_ADMIN_URL"


async def hold_drill(
    options: DrillOptions,
    devices: int,
    launcher: Launcher,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> IngestionResult | None:
    """Hold the drill, from its checks to its clean-up; None if it was interrupted.

    `say` writes a sentence for the operator. Raises ConfigError, DrillRefused, DrillFailed, EdgeError, also in groups.
    """
    identity = Identity.of(secrets.randbelow(DRILLS_MAX), None)
    port = _free_port()
    environment = ingestion_environment(environ, identity, port)
    settings = ingestion_settings(environment)
    with (
        trio.open_signal_receiver(*SIGNALS) as signals,
        PublishedStream(environ.get(REDIS_ADMIN_URL) or environ["REDIS_URL"], identity) as stream,
        TemporaryDirectory(prefix=f"{identity.name}-") as directory,
    ):
        async with _relay(options.fault, settings, environ) as (relay, detour):
            traces = IngestionTraces(identity, stream, say)
            await check_stream(stream, identity.stream, force=False)
            say(
                f"{identity.name}: stream {identity.stream}, {devices:,} devices, seed {options.seed}"
            )
            lives = Lives(
                launcher,
                NothingPending(),
                relay,
                shutdown_timeout_ms=settings.shutdown_timeout_ms,
            )
            setting = Setting(
                name=identity.name,
                seed=options.seed,
                fault=options.fault,
                rate=options.rate,
                rounds=draw_rounds(options, settings.drain_budget_ms),
                instances=(Instance(environment["INSTANCE_ID"], {**environment, **detour}),),
                bounds=Bounds(settings.drain_budget_ms, options.tolerance_ms),
            )
            load = Devices(
                f"{HOST}:{port}", devices=devices, rate=options.rate, directory=Path(directory)
            )
            with progress_bar(options.rounds) as show:
                conductor = IngestionConductor(setting, stream, load, lives, show)
                return await hold(traces, conductor.run, signals)


@asynccontextmanager
async def _relay(
    fault: Fault, settings: IngestionSettings, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Relay | None, dict[str, str]]]:
    """The relay before Redis if it freezes, and the URL that leads the service through it."""
    if not fault.freezes:
        yield None, {}
        return
    async with redis_relay(environ["REDIS_URL"], settings.redis_url) as (relay, url):
        yield relay, {"REDIS_URL": url}


def _free_port() -> int:
    """A port that nobody uses now, for all lives."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])
