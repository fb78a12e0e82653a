"""Puts a drill together: checked settings, both servers, the relay before one that freezes, and the progress bar."""

from __future__ import annotations

import secrets
import sys
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import trio
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from drills.conductor import Conductor, Progress, Setting
from drills.identity import DRILLS_MAX, Identity
from drills.judgement import Bounds
from drills.launch import service_environment, service_settings
from drills.lives import Instance, Lives
from drills.load import Drive
from drills.plan import DrillOptions, Fault, draw_rounds
from drills.relay import Relay, connect_to, postgres_detour, redis_detour
from drills.stream import DrillStream
from drills.table import TableUrls, drill_table
from drills.traces import SIGNALS, Traces, check, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from drills.launch import Launcher, ServiceSettings
    from drills.result import Result

POSTGRES_ADMIN_URL = "POSTGRES_ADMIN_URL"
REDIS_ADMIN_URL = "REDIS_ADMIN_URL"
# Records are of the last hour: neither in the future of a server whose clock is behind, nor in a chunk of old.
_AGE = timedelta(hours=1)


async def hold_drill(
    options: DrillOptions,
    launcher: Launcher,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> Result | None:
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
            traces = Traces(identity, stream, table, options.rows, say)
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
            with _progress_bar(options.rounds) as show:
                conductor = Conductor(setting, stream, table, lives, show)
                return await hold(traces, conductor.run, signals)


def _setting(
    options: DrillOptions,
    settings: ServiceSettings,
    identity: Identity,
    instances: tuple[Instance, ...],
) -> Setting:
    start = datetime.now(UTC).replace(microsecond=0) - _AGE
    return Setting(
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
    if not fault.freezes:
        yield None, {}
        return
    if fault is Fault.FREEZE_POSTGRES:
        connect = partial(connect_to, *settings.postgres_url.single())
    elif settings.redis_url.path is not None:
        connect = partial(trio.open_unix_socket, settings.redis_url.path)
    else:
        connect = partial(trio.open_tcp_stream, settings.redis_url.host, settings.redis_url.port)
    relay = Relay(connect)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(relay.serve)
        if fault is Fault.FREEZE_POSTGRES:
            url = postgres_detour(environ["POSTGRES_URL"], settings.postgres_url, port)
            yield relay, {"POSTGRES_URL": url}
        else:
            url = redis_detour(environ["REDIS_URL"], settings.redis_url, port)
            yield relay, {"REDIS_URL": url}
        nursery.cancel_scope.cancel()


@contextmanager
def _progress_bar(rounds: int) -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("drilling"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} rounds"),
        TextColumn("{task.fields[published]:,} records, {task.fields[violations]} violations"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=rounds, published=0, violations=0)
        yield lambda now: bar.update(
            task, completed=now.rounds_done, published=now.published, violations=now.violations
        )
