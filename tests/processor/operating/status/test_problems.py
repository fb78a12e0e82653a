"""What is a problem, and what it is called: each alone, from the facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from processor.operating.queue import Queue
from processor.operating.status.facts import (
    DeadLetters,
    Facts,
    Names,
    RedisFacts,
    Stuck,
    TableFacts,
)
from processor.operating.status.problems import Bounds, problems
from telemetry.chassis.operating.instances import Instance

BOUNDS = Bounds(lag_max=100_000, silent_after_s=600)
QUEUE = Queue(
    length=10,
    entries_added=10,
    last_id="1-0",
    last_entry_age_s=600.0,
    group_exists=True,
    lag=100_000,
    pending=3,
    oldest_pending_age_s=5_000.0,
)
INSTANCE = Instance(
    instance_id="processor-1",
    consumer="live",
    version="1",
    host="h",
    pid=1,
    started_at="2026-05-01T00:00:00.000Z",
    phase="running",
    in_flight=0,
    ledger={},
    log_level="info",
)
REDIS = RedisFacts(queue=QUEUE, dead_letters=DeadLetters(0, {}), instances=[INSTANCE])
NAMES = Names(stream="s", group="g", dead_letters="s:dlq", control_channel="s:g:control")
WELL = Facts(names=NAMES, redis=REDIS)
MISSING = replace(
    QUEUE, length=None, entries_added=None, last_id=None, last_entry_age_s=None,
    group_exists=False, lag=None, pending=None, oldest_pending_age_s=None,
)  # fmt: skip


def with_queue(**changes: Any) -> Facts:
    return with_redis(queue=replace(QUEUE, **changes))


def with_redis(**changes: Any) -> Facts:
    return replace(WELL, redis=replace(REDIS, **changes))


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param(WELL, {}, id="at every bound all is well"),
        pytest.param(
            with_redis(queue=MISSING), {"stream_missing": "processor config"}, id="stream"
        ),
        pytest.param(
            with_queue(group_exists=False, lag=None, pending=None),
            {"group_missing": "processor instances"},
            id="group",
        ),
        pytest.param(with_queue(last_entry_age_s=600.1), {"silent": "processor lag"}, id="silent"),
        pytest.param(
            with_queue(last_id=None, last_entry_age_s=None),
            {"silent": "processor config"},
            id="never fed",
        ),
        pytest.param(with_queue(lag=100_001), {"lag": "processor instances"}, id="lag"),
        pytest.param(with_queue(lag=None), {"lag": "processor instances"}, id="too much to count"),
        pytest.param(
            with_redis(instances=[]), {"no_instance": "processor run"}, id="nobody answers"
        ),
        pytest.param(
            with_redis(stuck=Stuck("1-0", "it's dead", 200_000)),
            {"stuck_pending": "processor claim --from 'it'\"'\"'s dead'"},
            id="stuck, of a consumer that is gone",
        ),
        pytest.param(
            with_redis(stuck=Stuck("1-0", "live", 200_000)),
            {"stuck_pending": "processor pending --consumer live"},
            id="stuck, of a live one, whose entries claim would refuse to free",
        ),
        pytest.param(
            with_redis(dead_letters=DeadLetters(3, {"bad_json": 3})),
            {"dead_letters": "processor dlq list"},
            id="dead letters",
        ),
        pytest.param(
            replace(WELL, redis=RedisFacts(error="h:1: refused")),
            {"redis_unreachable": "processor config"},
            id="what an away Redis hides is no problem",
        ),
        pytest.param(
            replace(WELL, table=TableFacts(error="h:1: refused")),
            {"postgres_unreachable": "processor config"},
            id="nor what PostgreSQL hides",
        ),
        pytest.param(
            replace(WELL, table=TableFacts(differences=("no table", "no role"))),
            {"schema_mismatch": "processor schema check"},
            id="schema",
        ),
    ],
)
def test_each_problem_has_its_code_and_the_next_command(
    facts: Facts, found: dict[str, str]
) -> None:
    assert {each.code: each.remedy for each in problems(facts, BOUNDS)} == found


def test_what_could_not_be_counted_is_not_over_a_bound_beyond_that() -> None:
    assert problems(with_queue(lag=None), replace(BOUNDS, lag_max=1_000_000)) != []
    assert problems(with_queue(lag=None), replace(BOUNDS, lag_max=1_000_001)) == []


def test_one_server_away_hides_nothing_of_the_other() -> None:
    both = replace(
        WELL, redis=RedisFacts(error="h:1: refused"), table=TableFacts(error="h:2: refused")
    )
    assert [each.code for each in problems(both, BOUNDS)] == [
        "redis_unreachable",
        "postgres_unreachable",
    ]
    half = replace(both, table=TableFacts(differences=("no table",)))
    assert [each.code for each in problems(half, BOUNDS)] == [
        "redis_unreachable",
        "schema_mismatch",
    ]
