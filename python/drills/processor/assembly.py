"""Puts a drill together: checked settings, both servers, the relay before one that freezes, and the progress bar."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import trio

from drills.identity import DRILLS_MAX, Identity
from drills.judgement import Bounds
from drills.lives import Instance, Lives
from drills.plan import Fault, draw_rounds
from drills.processor.conductor import ProcessorConductor, ProcessorSetting
from drills.processor.detour import postgres_detour
from drills.processor.launch import service_environment, service_settings
from drills.processor.load import Drive
from drills.processor.stream import DrillStream
from drills.processor.table import TableUrls, drill_table
from drills.processor.traces import ProcessorTraces, check
from drills.progress import progress_bar
from drills.relay import Relay, connect_to, redis_relay, serving
from drills.traces import SIGNALS, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from drills.launch import Launcher
    from drills.processor.launch import ServiceSettings
    from drills.processor.options import ProcessorOptions
    from drills.processor.result import ProcessorResult

POSTGRES_ADMIN_URL = "POSTGRES_ADMIN_URL"
REDIS_ADMIN_URL = "REDIS_ADMIN_URL"
# Records are of the last hour: neither in the future of a server whose clock is behind, nor in a chunk of old.
_AGE = timedelta(hours=1)


async def hold_drill(
    options: ProcessorOptions,
    launcher: Launcher,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> ProcessorResult | None:
    """Hold the drill, from its checks to its clean-up; None if it was interrupted.

    `say` writes a sentence for the operator. Raises ConfigError, DrillRefused, DrillFailed, EdgeError, also in groups.
    """
    identity = Identity.of(secrets.randbelow(DRILLS_MAX), options.stream)
    environments = [
        service_environment(environ, identity, number) for number in range(options.instances)
    ]
    settings = service_settings(environments[0])
    urls = TableUrls(environ["POSTGRES_URL"], environ.get(POSTGRES_ADMIN_URL) or None)
    with (
        trio.open_signal_receiver(*SIGNALS) as signals,
        DrillStream(environ.get(REDIS_ADMIN_URL) or environ["REDIS_URL"], identity) as stream,
        drill_table(urls, identity) as table,
    ):
        async with _relay(options.fault, settings, environ) as (relay, detours):
            traces = ProcessorTraces(identity, stream, table, options.rows, say)
            await check(traces, force=options.force)
            say(
                f"{identity.name}: stream {identity.stream}, group {identity.group}, seed {options.seed};"
                f" rows with device_id LIKE '{identity.imei_prefix}%': {options.rows.value} at the end"
            )
            lives = Lives(launcher, stream, relay, shutdown_timeout_ms=settings.shutdown_timeout_ms)
            instances = tuple(
                Instance(each["INSTANCE_ID"], {**each, **detours}) for each in environments
            )
            setting = _setting(options, settings, identity, instances)
            with progress_bar(options.rounds) as show:
                conductor = ProcessorConductor(setting, stream, table, lives, show)
                return await hold(traces, conductor.run, signals)


def _setting(
    options: ProcessorOptions,
    settings: ServiceSettings,
    identity: Identity,
    instances: tuple[Instance, ...],
) -> ProcessorSetting:
    start = datetime.now(UTC).replace(microsecond=0) - _AGE
    return ProcessorSetting(
        name=identity.name,
        seed=options.seed,
        fault=options.fault,
        drive=Drive(identity.device_ids, start),
        rate=options.rate,
        rounds=draw_rounds(options, settings.drain_budget_ms),
        instances=instances,
        bounds=Bounds(settings.drain_budget_ms, options.tolerance_ms),
        claim_threshold_ms=settings.claim_threshold_ms,
    )


@asynccontextmanager
async def _relay(
    fault: Fault, settings: ServiceSettings, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Relay | None, dict[str, str]]]:
    """The relay before the server that freezes, and the URL that leads the service through it."""
    if fault is Fault.FREEZE_REDIS:
        async with redis_relay(environ["REDIS_URL"], settings.redis_url) as (relay, url):
            yield relay, {"REDIS_URL": url}
    elif fault is Fault.FREEZE_POSTGRES:
        connect = partial(connect_to, *settings.postgres_url.single())
        async with serving(Relay(connect)) as (relay, port):
            url = postgres_detour(environ["POSTGRES_URL"], settings.postgres_url, port)
            yield relay, {"POSTGRES_URL": url}
    else:
        yield None, {}
