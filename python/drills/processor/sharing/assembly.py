"""Puts the runs together, one for each number of instances: each has a stream, a group and devices of its own."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from drills.identity import DRILLS_MAX, Identity
from drills.judgement import Bounds
from drills.processor.assembly import POSTGRES_ADMIN_URL, REDIS_ADMIN_URL
from drills.processor.launch import service_environment, service_settings
from drills.processor.load import Drive
from drills.processor.sharing.conductor import LoadConductor, RunSetting
from drills.processor.sharing.judgement import ClaimBounds
from drills.processor.sharing.result import RunResult, figures
from drills.processor.stream import DrillStream
from drills.processor.table import TableUrls, drill_table
from drills.processor.traces import ProcessorTraces, check
from drills.traces import SIGNALS, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drills.launch import Launcher
    from drills.processor.options import Rows
    from drills.processor.sharing.plan import LoadOptions

# Of an hour ago: neither in the future of a server whose clock is behind, nor in a chunk of old.
_AGE = timedelta(hours=1)
# What an end may take beyond DRAIN_BUDGET_MS and a second.
_DRAIN_TOLERANCE_MS = 500
_SHOWN = ("CLAIM_THRESHOLD_MS", "CLAIM_INTERVAL_MS", "BATCH_SIZE", "WRITERS", "READ_INTERVAL_MS")


class Runs:
    """All runs of one command. `say` writes a sentence for the operator."""

    def __init__(
        self,
        options: LoadOptions,
        launcher: Launcher,
        environ: Mapping[str, str],
        rows: Rows,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._launcher = launcher
        self._environ = environ
        self._rows = rows
        self._say = say

    async def hold(self, show: Callable[[int, int], None]) -> dict[str, Any] | None:
        """Hold them; their figures, None if one was interrupted. `show` gets each done event's run, and the records.

        Raises ConfigError, DrillRefused, DrillFailed, EdgeError, also in groups.
        """
        done: list[RunResult] = []
        identities = _identities(len(self._options.instances))
        for instances, identity in zip(self._options.instances, identities, strict=True):
            result = await self._run(instances, identity, partial(show, instances))
            if result is None:
                return None
            done.append(result)
        return figures(f"load-{identities[0].number:06d}", self._settings(), tuple(done))

    async def _run(
        self, instances: int, identity: Identity, show: Callable[[int], None]
    ) -> RunResult | None:
        environ = self._environ
        urls = TableUrls(environ["POSTGRES_URL"], environ.get(POSTGRES_ADMIN_URL) or None)
        with (
            trio.open_signal_receiver(*SIGNALS) as signals,
            DrillStream(environ.get(REDIS_ADMIN_URL) or environ["REDIS_URL"], identity) as stream,
            drill_table(urls, identity) as table,
        ):
            traces = ProcessorTraces(identity, stream, table, self._rows, self._say)
            await check(traces, force=False)
            self._say(f"{identity.name}: {instances} instances on stream {identity.stream}")
            setting = self._setting(instances, identity)
            conductor = LoadConductor(setting, stream, table, show)
            return await hold(traces, conductor.run, signals)

    def _setting(self, instances: int, identity: Identity) -> RunSetting:
        environment_of = partial(service_environment, self._environ, identity)
        settings = service_settings(environment_of(0))
        start = datetime.now(UTC).replace(microsecond=0) - _AGE
        return RunSetting(
            name=identity.name,
            instances=instances,
            options=self._options,
            launcher=self._launcher,
            environment_of=environment_of,
            drive=Drive(identity.device_ids, start),
            claims=ClaimBounds(
                threshold_ms=settings.claim_threshold_ms,
                interval_ms=settings.claim_interval_ms,
                tolerance_ms=self._options.tolerance_ms,
            ),
            drain=Bounds(settings.drain_budget_ms, _DRAIN_TOLERANCE_MS),
            shutdown_timeout_ms=settings.shutdown_timeout_ms,
        )

    def _settings(self) -> dict[str, object]:
        options = self._options
        environment = service_environment(self._environ, Identity.of(0, None), 0)
        return {
            "rate": options.rate,
            "seconds": options.seconds,
            "backlog": options.backlog,
            "tolerance_ms": options.tolerance_ms,
            **{name: environment.get(name) for name in _SHOWN},
        }


def _identities(count: int) -> list[Identity]:
    first = secrets.randbelow(DRILLS_MAX - count)
    return [Identity.of(first + number, None) for number in range(count)]
