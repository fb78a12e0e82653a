"""Instances that are scraped by one Prometheus, with the rules' times shortened, and when each alert fired."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.schema import create_database, drop_database
from dev.servers import launch_prometheus
from dev.servers.ports import HOST, free_port
from tests.support.ingestion import RUN, Ingestion
from tests.support.processes import Service, base_environment, until
from tests.support.servers import Servers
from tests.support.shortened import shortened, shortened_duration
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from redis import Redis

    from dev.servers import PostgresServer, Prometheus, RedisServer

KIT = ROOT / "deploy" / "observability"
CONFIG = KIT / "prometheus" / "prometheus.yml"
RULES = {job: KIT / "prometheus" / f"{job}.alerts.yml" for job in ("processor", "tcp-ingestion")}
"""By the job that they are about."""
FACTOR = 25
"""Five minutes are twelve seconds, and a scrape comes each 200 ms."""
LOOKBACK = "5m"
"""Prometheus' own default."""
# Beyond what any alert takes, on a machine with too much to do.
WAIT_S_MAX = 90.0
# Prometheus says nothing by itself: ask it this often.
PROBE_S = 0.2

STREAM = "telemetry:alerts"
TARGETS = r"(job_name: {job}\n +static_configs:\n +- targets:)\n(?: +- .+\n)+"


@dataclass
class Instance:
    """Where an instance is scraped, and the process that runs there now."""

    job: str
    address: str
    env: dict[str, str]
    service: Service


@dataclass
class Seen:
    """What became of an alert."""

    fired_s: float
    """From the fault to the first look at which it fired."""
    resolved_s: float | None = None
    """From the end of the fault to the first look at which it did not."""


@dataclass
class Stage:
    """The servers, and the addresses that Prometheus was given: instances take them one by one."""

    redis_server: RedisServer
    postgres_server: PostgresServer
    client: Redis
    directory: Path
    prometheus: Prometheus
    addresses: dict[str, list[str]]
    """By job."""
    began_s: float = field(default_factory=time.time)
    """Unix time since which Prometheus scrapes."""
    seen: dict[str, Seen] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    _databases: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def place(self, name: str) -> Servers:
        """A stream and a table of one fault's own."""
        # The schema alters the role, which two sessions cannot do at once.
        with self._lock:
            self._databases.append(f"alerts_{name}")
            database = create_database(self.postgres_server, f"alerts_{name}")
        return Servers(self.client, f"{STREAM}-{name}", database)

    def start(self, place: Servers, **env: str) -> Instance:
        """A ready processor on that stream and table; keywords are environment variables."""
        settings = {
            "REDIS_URL": self.redis_server.processor_url,
            "POSTGRES_URL": place.database.processor_url,
            "REDIS_TELEMETRY_STREAM": place.stream,
            **env,
        }
        return self._start("processor", settings)

    def start_ingestion(self, name: str, **env: str) -> Instance:
        """A ready tcp-ingestion with a stream of its own."""
        settings = {
            "REDIS_URL": self.redis_server.ingestion_url,
            "REDIS_TELEMETRY_STREAM": f"{STREAM}-{name}",
            "TELTONIKA_HOST": HOST,
            "TELTONIKA_PORT": "0",
            **env,
        }
        return self._start("tcp-ingestion", settings)

    def start_again(self, instance: Instance) -> None:
        """Its next life."""
        instance.service = self._launch(instance.job, instance.address, instance.env)

    def _start(self, job: str, env: dict[str, str]) -> Instance:
        with self._lock:
            address = self.addresses[job].pop()
        settings = {
            **base_environment(self.directory),
            "METRICS_PORT": address.rpartition(":")[2],
            "INSTANCE_ID": f"i-{address}",
            **env,
        }
        instance = Instance(job, address, settings, self._launch(job, address, settings))
        with self._lock:
            self.instances.append(instance)
        return instance

    def _launch(self, job: str, address: str, env: dict[str, str]) -> Service:
        stderr = self.directory / f"stderr-{address}"
        return (
            Ingestion(env, stderr, RUN) if job == Ingestion.name else Service(env, stderr)
        ).ready()

    def fires(
        self, alert: str, since_s: float, *, meanwhile: Callable[[], object] = int, **labels: str
    ) -> None:
        """Wait until the alert fires with these labels; the fault was made at `since_s` of the monotonic clock."""
        self._until(alert, labels, meanwhile, fires=True)
        self.seen[alert] = Seen(time.monotonic() - since_s)

    def resolves(
        self, alert: str, since_s: float, *, meanwhile: Callable[[], object] = int, **labels: str
    ) -> None:
        """Wait until it does not; the fault was over at `since_s`."""
        self._until(alert, labels, meanwhile, fires=False)
        self.seen[alert].resolved_s = time.monotonic() - since_s

    def _until(
        self, alert: str, labels: dict[str, str], meanwhile: Callable[[], object], *, fires: bool
    ) -> None:
        wanted = {"alertname": alert, **labels}.items()
        deadline = time.monotonic() + WAIT_S_MAX
        while any(each.items() >= wanted for each in self.prometheus.firing()) != fires:
            meanwhile()
            if time.monotonic() > deadline:
                raise AssertionError(f"{alert} {labels} did not {'fire' if fires else 'resolve'}")
            time.sleep(PROBE_S)

    def until_scraped(self, instance: Instance) -> None:
        """Wait until Prometheus has seen this life of the instance."""
        expression = f'process_start_time_seconds{{instance="{instance.address}"}}'
        [began] = re.findall(
            r"^process_start_time_seconds (\S+)",
            instance.service.get("/metrics")[1],
            re.MULTILINE,
        )
        until(
            lambda: (
                [float(each["value"][1]) for each in self.prometheus.query(expression)]
                == [float(began)]
            ),
            f"{instance.address} is scraped",
        )

    def close(self) -> None:
        """End every instance, and remove what the faults have left on the servers."""
        for instance in self.instances:
            instance.service.kill()
        for name in self._databases:
            drop_database(self.postgres_server, name)
        if keys := list(self.client.scan_iter(match=f"{STREAM}*", count=1000)):
            self.client.delete(*keys)


@contextmanager
def open_stage(
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    client: Redis,
    directory: Path,
    *,
    instances: Mapping[str, int],
) -> Iterator[Stage]:
    """A Prometheus that scrapes so many addresses of each job, with the kit's rules and configuration."""
    addresses = {
        job: [f"{HOST}:{free_port()}" for _ in range(count)] for job, count in instances.items()
    }
    with (
        launch_prometheus(
            prometheus_files(addresses), lookback=shortened_duration(LOOKBACK, FACTOR)
        ) as prometheus,
        ExitStack() as stack,
    ):
        stage = Stage(redis_server, postgres_server, client, directory, prometheus, addresses)
        stack.callback(stage.close)
        yield stage


def prometheus_files(addresses: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The kit's files with shortened times, and other targets for each job."""
    config = CONFIG.read_text()
    for job, targets in addresses.items():
        listed = "".join(f"\n          - {address}" for address in targets)
        config, replaced = re.subn(TARGETS.format(job=job), rf"\1{listed}\n", config)
        assert replaced == 1
    return {
        CONFIG.name: shortened(config, FACTOR),
        **{path.name: shortened(path.read_text(), FACTOR) for path in RULES.values()},
    }
