"""The processor alone, one thing changed at a time: the backlog, the devices, the sizes of batches, the writers."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from bench.ages import of_devices
from bench.entries import USUAL_FLEET, fleet_entries
from bench.psql_copy import write_rows_file
from bench.runs import ASYNCIO_SERVICE, PROCESSOR, Run, run_once, summarise_runs
from bench.servers import BenchServers, launch_servers
from bench.service import ASYNCIO, BATCH_ROWS, COPY, check_rows, run_copy
from dev.servers.guarded import guarded_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.runs import RunSummary
    from dev.servers import Choice
    from dev.servers.guarded import GuardedDirectory

OURS = "processor"
IDLE_S = 10.0
FILL_ENTRIES = 20_000
DAYS_STORED = 1


@dataclass(frozen=True)
class SweepScale:
    """What is varied. The backlog is that of the most devices; the settings are those of the middle fleet."""

    rounds: int
    backlogs: tuple[int, ...]
    """Ascending; the first is 0, so that a service without work is measured, too."""
    devices: tuple[int, ...]
    """Ascending."""
    usual_backlog: int
    """One of `backlogs`."""
    settings: Mapping[str, tuple[int, ...]]
    """Values by variable."""

    @property
    def usual_devices(self) -> int:
        """Those of the settings' sweeps."""
        return self.devices[len(self.devices) // 2]


@dataclass(frozen=True)
class Point:
    """One contender's medians at one value of what is varied."""

    sweep: str
    value: int
    contender: str
    devices: int
    backlog: int
    run: RunSummary


@dataclass(frozen=True)
class SweepsResult:
    """All points, and the servers that were used."""

    scale: SweepScale
    servers: str
    table: str
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class _Bench:
    """Servers, a directory for logs, and the results up to now."""

    servers: BenchServers
    directory: GuardedDirectory
    result: SweepsResult
    progress: Callable[[str], None]

    def add(
        self,
        sweep: str,
        value: int,
        contenders: Mapping[str, Callable[[], Run]],
        *,
        devices: int,
        backlog: int,
    ) -> None:
        """Measure the contenders in turn; the peer, which takes long and is steady, once."""
        rounds = self.result.scale.rounds
        runs: dict[str, list[Run]] = {name: [] for name in contenders}
        for number in range(1, rounds + 1):
            for name, run in contenders.items():
                if name != ASYNCIO or number == 1:
                    where = f"{sweep} {value:,}: round {number} of {rounds}"
                    self.progress(f"sweeps: {where}, {name}")
                    runs[name].append(run())
        self.result.points.extend(
            Point(sweep, value, name, devices, backlog, summarise_runs(kept))
            for name, kept in runs.items()
        )

    def services(self, devices: int, backlog: int) -> dict[str, Callable[[], Run]]:
        """The processor, and the asyncio service beside it."""
        return {
            name: partial(self.run, module, {}, devices, backlog)
            for name, module in ((OURS, PROCESSOR), (ASYNCIO, ASYNCIO_SERVICE))
        }

    def run(
        self, module: tuple[str, ...], settings: Mapping[str, str], devices: int, backlog: int
    ) -> Run:
        """One run on what the stream holds; without any backlog it stays idle for a while."""
        self.servers.reset(DAYS_STORED)
        self.servers.store_devices(devices)
        idle_s = 0.0 if backlog else IDLE_S
        measured = run_once(self.servers, self.directory, module, settings, idle_s=idle_s)
        check_rows(self.servers, module[0], devices + backlog)
        return measured


def run_sweeps(scale: SweepScale, choice: Choice, progress: Callable[[str], None]) -> SweepsResult:
    """Measure all points. Raises BenchError when a row is lost or invented, and ServerError."""
    progress("sweeps: starting Redis and PostgreSQL")
    with (
        launch_servers(choice) as servers,
        guarded_directory("bench", last_signal=signal.SIGTERM) as directory,
    ):
        result = SweepsResult(scale, str(servers), servers.table_kind)
        bench = _Bench(servers, directory, result, progress)
        _by_backlog(bench)
        for devices in scale.devices[:-1]:
            _by_devices(bench, devices)
        return result


def _by_backlog(bench: _Bench) -> None:
    """The stream grows from step to step; the group reads it from its beginning each time."""
    scale = bench.result.scale
    devices = scale.devices[-1]
    with _filled(bench, devices) as fill:
        for backlog in scale.backlogs:
            fill(backlog)
            services = bench.services(devices, backlog)
            bench.add("backlog", backlog, services, devices=devices, backlog=backlog)


def _by_devices(bench: _Bench, devices: int) -> None:
    scale = bench.result.scale
    backlog = scale.usual_backlog
    with _filled(bench, devices) as fill:
        fill(backlog)
        services = bench.services(devices, backlog)
        bench.add("devices", devices, services, devices=devices, backlog=backlog)
        if devices == scale.usual_devices:
            _by_settings(bench, devices, backlog)


def _by_settings(bench: _Bench, devices: int, backlog: int) -> None:
    bench.progress("sweeps: writing the file for \\copy")
    file = bench.directory.path / "rows.copy"
    entries = list(fleet_entries(USUAL_FLEET, backlog, of_devices(devices)))
    write_rows_file(entries, batch_rows=BATCH_ROWS, file=file)
    del entries
    copy = partial(run_copy, bench.servers, file, DAYS_STORED, backlog)
    # The first run makes the log's files, which later ones use again.
    copy()
    bench.add("limit", backlog, {COPY: copy}, devices=devices, backlog=backlog)
    for name, values in bench.result.scale.settings.items():
        for value in values:
            run = partial(bench.run, PROCESSOR, {name: str(value)}, devices, backlog)
            bench.add(name, value, {OURS: run}, devices=devices, backlog=backlog)


@contextmanager
def _filled(bench: _Bench, devices: int) -> Iterator[Callable[[int], None]]:
    """What is yielded makes the stream as long as it is asked to; afterwards the stream is gone."""
    entries = fleet_entries(USUAL_FLEET, max(bench.result.scale.backlogs), of_devices(devices))
    length = 0

    def fill(asked: int) -> None:
        nonlocal length
        bench.progress(f"sweeps: filling the stream with {asked:,} entries of {devices:,} devices")
        while length < asked:
            step = list(islice(entries, min(FILL_ENTRIES, asked - length)))
            bench.servers.fill(step)
            length += len(step)

    bench.servers.empty_stream()
    yield fill
    bench.servers.empty_stream()
