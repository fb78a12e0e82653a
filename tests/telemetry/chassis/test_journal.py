"""What every service's journal reports, as a service would that is not the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.health import Health, Readiness
from telemetry.chassis.journal import RateLimit, ServiceJournal
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from tests.support.log_pipe import Pipe


@pytest.fixture
def journal(pipe: Pipe) -> ServiceJournal:
    return ServiceJournal(pipe.log(), service="ferry", dependencies={"redis": "Redis"})


def test_lines_begin_with_the_name_of_the_service(journal: ServiceJournal, pipe: Pipe) -> None:
    journal.service_starting(version="1.2")
    journal.service_ready(metrics="127.0.0.1:9090")
    assert [line["msg"] for line in pipe.lines()] == ["ferry starting version=1.2", "ferry ready"]


def test_a_service_is_ready_while_it_runs_and_its_dependencies_can_be_used(
    journal: ServiceJournal,
) -> None:
    assert dict(journal.health().unready) == {"redis": "starting", "phase": "starting"}
    journal.dependency_ready("redis")
    journal.phase_entered(Phase.RUNNING)
    assert journal.health() == Health(Phase.RUNNING, {"redis": Readiness(ready=True, reason="")})
    assert not journal.health().unready
    journal.dependency_lost("redis", "r:6379: connection refused")
    assert dict(journal.health().unready) == {"redis": "r:6379: connection refused"}
    journal.dependency_ready("redis")
    journal.phase_entered(Phase.DRAINING)
    assert dict(journal.health().unready) == {"phase": "draining"}


def test_a_health_stays_as_it_was(journal: ServiceJournal) -> None:
    before = journal.health()
    journal.dependency_ready("redis")
    journal.phase_entered(Phase.RUNNING)
    assert dict(before.unready) == {"redis": "starting", "phase": "starting"}


def test_a_dependency_that_the_service_does_not_have_is_a_mistake(
    journal: ServiceJournal,
) -> None:
    with pytest.raises(KeyError, match="postgres is no dependency; there are redis"):
        journal.dependency_ready("postgres")


def test_a_subject_is_due_once_in_an_interval_whatever_the_others_are() -> None:
    limit = RateLimit(60)
    assert [limit.is_due("a", now) for now in (0, 1, 59.9, 60, 61, 130)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert limit.is_due("b", 61)
