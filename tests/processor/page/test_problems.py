from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.page.problems import LAG_MAX, SILENT_AFTER_S, problems_of
from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.progress import StalledTask
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.journal.journal import Journal

NOW_MS = 1_777_636_800_000


@pytest.fixture(autouse=True)
def it_is_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOW_MS)


@pytest.fixture
def running() -> Journal:
    journal = new_journal()
    for name in ("redis", "postgres"):
        journal.dependency_ready(name)
    journal.phase_entered(Phase.RUNNING)
    return journal


def codes(journal: Journal) -> list[str]:
    return [each.code for each in problems_of(journal.snapshot(), ())]


def queue(journal: Journal, *, lag: int = 0, age_s: float = 0, dead_letters: int = 0) -> None:
    last_id = f"{NOW_MS - round(age_s * 1000)}-0"
    journal.queue_seen(
        lag=lag,
        pending_entries=0,
        last_id=last_id,
        server_ms=NOW_MS,
        length=1,
        dead_letters=dead_letters,
    )


def test_a_service_that_works_has_no_problem(running: Journal) -> None:
    queue(running, lag=LAG_MAX, age_s=SILENT_AFTER_S)
    assert codes(running) == []


@pytest.mark.parametrize(
    ("code", "happen"),
    [
        ("redis_unreachable", lambda j: j.dependency_lost("redis", "r:6379: lost")),
        ("postgres_unreachable", lambda j: j.dependency_lost("postgres", "db:5432: lost")),
        ("schema_mismatch", lambda j: j.batch_held("no column speed", is_schema=True)),
        (
            "group_missing",
            lambda j: j.read_failed(error="NOGROUP", count=1, retry_ms=0, is_group_gone=True),
        ),
        ("silent", lambda j: queue(j, age_s=SILENT_AFTER_S + 1)),
        ("lag", lambda j: queue(j, lag=LAG_MAX + 1)),
        ("dead_letters", lambda j: queue(j, dead_letters=1)),
        ("entries_lost", lambda j: j.entries_lost(["1-0"])),
    ],
)
def test_each_trouble_is_a_problem_with_a_command_to_type(
    running: Journal, code: str, happen: Callable[[Journal], None]
) -> None:
    happen(running)
    [problem] = problems_of(running.snapshot(), ())
    assert problem.code == code
    assert problem.remedy.startswith("processor ")
    assert problem.message.endswith((".", "lost", "NOGROUP"))


def test_a_task_that_stands_still_is_the_first_problem(running: Journal) -> None:
    running.dependency_lost("postgres", "db:5432: lost")
    [first, second] = problems_of(running.snapshot(), [StalledTask("writer-1", 75.2)])
    assert (first.code, second.code) == ("stalled", "postgres_unreachable")
    assert "writer-1" in first.message
    assert "75 s" in first.message


def test_what_is_not_there_yet_at_the_start_is_no_problem() -> None:
    journal = new_journal()
    assert codes(journal) == []
    journal.dependency_lost("redis", "r:6379: connection refused")
    assert codes(journal) == ["redis_unreachable"]


def test_a_stream_that_nobody_feeds_is_no_problem_of_a_drain(running: Journal) -> None:
    queue(running, age_s=SILENT_AFTER_S + 1)
    running.phase_entered(Phase.DRAINING)
    assert codes(running) == []
