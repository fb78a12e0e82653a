"""Puts a drill together: checked settings, both servers, the relay where one freezes, and the progress bar."""

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
from drills.detour import postgres_detour, postgres_place, redis_detour
from drills.drive import Drive
from drills.environment import service_environment
from drills.identity import RUNS, Identity
from drills.judgement import Bounds
from drills.lives import Instance, Lives
from drills.plan import DrillPlan, Fault
from drills.relay import Relay, connect_to
from drills.session import SIGNALS, Session, check, hold
from drills.stream import RedisDrillStream
from drills.table import drill_table
from processor.config import load_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from drills.request import Request
    from drills.result import Result
    from processor.config import Config

ADMIN_URL = "POSTGRES_ADMIN_URL"
# Records are of the last hour: neither in the future of a server whose clock is behind, nor in a chunk of old.
_AGE = timedelta(hours=1)


async def drill(
    request: Request, environ: Mapping[str, str], tell: Callable[[str], None]
) -> Result | None:
    """Hold the drill, from its checks to its clean-up; None if it was interrupted.

    `tell` takes sentences for the operator. Raises ConfigError, DrillRefused, DrillFailed, EdgeError, also in groups.
    """
    identity = Identity.of(secrets.randbelow(RUNS), request.stream)
    environments = [
        service_environment(environ, identity, number) for number in range(request.instances)
    ]
    config = load_config(environments[0])
    with (
        trio.open_signal_receiver(*SIGNALS) as signals,
        RedisDrillStream(environ["REDIS_URL"], identity) as stream,
    ):
        async with (
            drill_table(
                environ["POSTGRES_URL"], identity, cleaner_url=environ.get(ADMIN_URL) or None
            ) as table,
            _relay(request.fault, config, environ) as (relay, urls),
        ):
            session = Session(identity, stream, table, request.rows, tell)
            await check(session, force=request.force)
            tell(
                f"{identity.name}: stream {identity.stream}, group {identity.group}, seed {request.seed};"
                f" rows with device_id LIKE '{identity.imei_prefix}%': {request.rows.value} at the end"
            )
            lives = Lives(
                request.command, stream, relay, shutdown_timeout_ms=config.shutdown_timeout_ms
            )
            instances = tuple(
                Instance(each["INSTANCE_ID"], {**each, **urls}) for each in environments
            )
            setting = _setting(request, config, identity, instances)
            with _progress_bar(request.rounds) as show:
                conductor = Conductor(setting, stream, table, lives, show)
                return await hold(session, conductor.run, signals)


def _setting(
    request: Request, config: Config, identity: Identity, instances: tuple[Instance, ...]
) -> Setting:
    plan = DrillPlan(
        fault=request.fault,
        rounds=request.rounds,
        seed=request.seed,
        backlog=request.backlog,
        within_ms=request.within_ms,
        instances=request.instances,
        budget_ms=config.drain_budget_ms,
    )
    start = datetime.now(UTC).replace(microsecond=0) - _AGE
    return Setting(
        name=identity.name,
        seed=request.seed,
        fault=request.fault,
        drive=Drive(identity.device_ids, start),
        rate=request.rate,
        rounds=plan.draw(),
        instances=instances,
        bounds=Bounds(config.drain_budget_ms, request.tolerance_ms),
        claim_threshold_ms=config.claim_threshold_ms,
    )


@asynccontextmanager
async def _relay(
    fault: Fault, config: Config, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Relay | None, dict[str, str]]]:
    """The relay before the server that freezes, and the URL that leads the service through it."""
    if not fault.freezes:
        yield None, {}
        return
    if fault is Fault.FREEZE_POSTGRES:
        connect = partial(connect_to, *postgres_place(config.postgres_url))
    elif config.redis_url.path is not None:
        connect = partial(trio.open_unix_socket, config.redis_url.path)
    else:
        connect = partial(trio.open_tcp_stream, config.redis_url.host, config.redis_url.port)
    relay = Relay(connect)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(relay.serve)
        if fault is Fault.FREEZE_POSTGRES:
            url = postgres_detour(environ["POSTGRES_URL"], config.postgres_url, port)
            yield relay, {"POSTGRES_URL": url}
        else:
            url = redis_detour(environ["REDIS_URL"], config.redis_url, port)
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
