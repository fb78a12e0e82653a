"""Each alert is made to fire by its fault, by one real Prometheus, and resolves when the fault is over."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.servers import launch_redis, launch_relay
from tests.support import ingestion_faults
from tests.support.alert_faults import ALONE, Fault, no_instance, servers_away
from tests.support.alerting import FACTOR, RULES, Seen, open_stage
from tests.support.dashboard import Query, queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dev.servers import PostgresServer, RedisBinary, RedisServer
    from tests.support.alerting import Stage

pytestmark = pytest.mark.deployment("prometheus")

# Some scrapes.
RATE_INTERVAL = "2s"
STEP_S = 0.5

ALERTS = [
    name for path in RULES.values() for name in re.findall(r"- alert: (\w+)", path.read_text())
]


@dataclass
class Course:
    """How the faults went."""

    seen: Mapping[str, Seen]
    values: Mapping[str, int]
    """By the expression of each panel's query: how many series of the dashboard had a number."""


@pytest.fixture(scope="module")
def course(
    redis_binary: RedisBinary,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Course]:
    """All faults, most of them at once; a table of the seconds is printed at the end."""
    with (
        Redis.from_url(redis_server.admin_url) as client,
        launch_redis(redis_binary) as own_redis,
        launch_redis(redis_binary) as full_redis,
        launch_relay(postgres_server.port) as postgres_link,
        launch_relay(redis_server.port) as redis_link,
        open_stage(
            redis_server,
            postgres_server,
            client,
            tmp_path_factory.mktemp("alerts"),
            instances={"processor": len(ALONE) + 1, "tcp-ingestion": ingestion_faults.INSTANCES},
        ) as stage,
    ):
        with_servers = (
            partial(servers_away, own_redis=own_redis, postgres_link=postgres_link),
            partial(ingestion_faults.refused, own_redis=full_redis),
            partial(ingestion_faults.cut_off, redis_link=redis_link),
        )
        at_once(stage, [*ALONE, *ingestion_faults.ALONE, *with_servers])
        no_instance(stage)
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(table(stage.seen))  # noqa: T201  # for whoever runs `make alerts`
        yield Course(stage.seen, dict(shown(stage)))


def at_once(stage: Stage, faults: Sequence[Fault]) -> None:
    """Run each fault in a thread of its own. Raises the error of one that fails, when all have ended."""
    with ThreadPoolExecutor(len(faults)) as threads:
        running = [threads.submit(fault, stage) for fault in faults]
    for each in running:
        each.result()


def shown(stage: Stage) -> Iterator[tuple[str, int]]:
    """What each query of the dashboard gives of the time since Prometheus runs."""
    now = time.time()
    variables = {
        "$__rate_interval": RATE_INTERVAL,
        "$__range": f"{now - stage.began_s:.0f}s",
        "$instance": ".*",
    }
    for query in queries():
        expression = query.expression
        for name, value in {**variables, "$job": query.job}.items():
            expression = expression.replace(name, value)
        found = stage.prometheus.query_range(
            expression, start_s=stage.began_s, end_s=now, step_s=STEP_S
        )
        yield (
            query.expression,
            sum(any(text != "NaN" for _, text in each["values"]) for each in found),
        )


def table(seen: Mapping[str, Seen]) -> str:
    rows = "\n".join(
        f"{name:<24}{each.fired_s:>12.1f}{each.resolved_s or 0:>12.1f}"
        for name, each in sorted(seen.items())
    )
    head = f"{'alert':<24}{'fired, s':>12}{'resolved, s':>12}"
    return f"\nwith every time of the rules divided by {FACTOR}:\n{head}\n{rows}"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_by_its_fault_and_resolves_behind_it(course: Course, alert: str) -> None:
    assert course.seen[alert].resolved_s is not None


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_of_the_dashboard_shows_data(course: Course, query: Query) -> None:
    assert course.values[query.expression] > 0
