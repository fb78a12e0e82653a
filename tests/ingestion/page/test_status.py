"""What `/status.json` says, what is wrong, and the samples of the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.errors import FrameError, PublishOverflowError, RedisUnavailableError
from ingestion.journal.identity import Identity
from ingestion.journal.statistics import LISTENERS, REDIS, Load
from ingestion.page.flow import Flow, Sample
from ingestion.page.problems import UNANSWERED_S_MAX, problems_of
from ingestion.page.status import status_of
from telemetry.chassis.http.page.flow import INTERVAL_S, SAMPLES_MAX
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.progress import StalledTask
from tests.support.ingestion_frames import NOON_MS
from tests.support.journals import new_ingestion_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.journal.journal import Journal

IMEI = "356307042441013"
IDENTITY = Identity(host="ferry-7", pid=42, started_at_ms=NOON_MS)
LISTENING = {"tcp": "0.0.0.0:5027", "udp": None, "tls": None}


@pytest.fixture
def running() -> Journal:
    journal = new_ingestion_journal()
    journal.dependency_ready(REDIS)
    journal.phase_entered(Phase.RUNNING)
    return journal


def status(journal: Journal, flow: Flow | None = None, **changes: Any) -> dict[str, Any]:
    now = journal.snapshot()
    options = {
        "listeners": LISTENING,
        "reasons": journal.health().unready,
        "stalled": (),
        "log_level": "info",
        **changes,
    }
    shown = status_of(now, flow or Flow(), IDENTITY, **options)
    # What cannot be sent as JSON would only be noticed by whoever asks.
    return dict(json.loads(json.dumps(shown)))


def test_before_anything_came_everything_is_there_and_0() -> None:
    shown = status(new_ingestion_journal())
    assert (shown["status"], shown["phase"], shown["problems"]) == ("not ready", "starting", [])
    assert shown["redis"] == {"ready": False, "reason": "starting"}
    assert shown["listeners"] == LISTENING
    assert shown["frames"] == dict.fromkeys(
        ("ok", "crc_fail", "malformed", "unknown_codec", "overflow", "unpublished"), 0
    )
    assert shown["queue"] == {"records": 0, "bytes": 0}
    assert shown["oldest_unanswered_s"] == 0.0


async def test_it_says_what_the_service_holds_and_has_done(running: Journal) -> None:
    running.measure(lambda: Load(3, 7, 900, 0.5))
    running.frame_published("8E", records=5, duration_s=0.002)
    running.frame_published("8", records=2, duration_s=0.002)
    running.frame_unpublished(RedisUnavailableError("away", imei=IMEI, code="OOM"), codec="8")
    shown = status(running)
    assert (shown["status"], shown["connections"], shown["records"]) == ("ready", 3, 7)
    assert shown["queue"] == {"records": 7, "bytes": 900}
    assert shown["oldest_unanswered_s"] == 0.5
    assert (shown["frames"]["ok"], shown["frames"]["unpublished"]) == (2, 1)
    assert {"what": "unpublished", "code": "8", "count": 1} in shown["failures"]
    running.frame_refused_by_redis(stream="s", code="OOM", error="OOM")
    assert {"what": "redis", "code": "OOM", "count": 1} in status(running)["failures"]
    [instance] = shown["instances"]
    assert (instance["in_flight"], instance["ledger"]["published"]) == (7, 7)
    assert IMEI not in json.dumps(shown)


def codes(journal: Journal) -> list[str]:
    return [each.code for each in problems_of(journal.snapshot(), (), overflows=0)]


def test_a_service_that_works_has_no_problem(running: Journal) -> None:
    running.measure(lambda: Load(oldest_unanswered_s=UNANSWERED_S_MAX))
    assert codes(running) == []


@pytest.mark.parametrize(
    ("code", "happen"),
    [
        ("redis_unreachable", lambda j: j.dependency_lost(REDIS, "r:6379: lost")),
        ("listeners", lambda j: j.hindered(LISTENERS, "no descriptors")),
        ("unanswered", lambda j: j.measure(lambda: Load(oldest_unanswered_s=11.0))),
        (
            "quarantined",
            lambda j: j.frame_quarantined(FrameError("bad", imei=IMEI, code="x"), records=1),
        ),
    ],
)
async def test_each_problem_has_a_message_and_what_to_type(
    running: Journal, code: str, happen: Callable[[Journal], None]
) -> None:
    happen(running)
    [problem] = problems_of(running.snapshot(), (), overflows=0)
    assert problem.code == code
    assert problem.remedy
    assert IMEI not in problem.message


async def test_an_overflow_is_a_problem_for_as_long_as_the_page_shows_the_interval(
    running: Journal,
) -> None:
    flow = Flow()
    flow.take(running.snapshot(), 0.0)
    running.frame_overflowed(PublishOverflowError("full", imei=IMEI, code="overflow"), codec="8")
    flow.take(running.snapshot(), INTERVAL_S)
    [problem] = status(running, flow)["problems"]
    assert (problem["code"], problem["message"].split()[:2]) == ("overflow", ["1", "frame"])
    assert problem["remedy"]
    for number in range(SAMPLES_MAX):
        flow.take(running.snapshot(), (number + 2) * INTERVAL_S)
    shown = status(running, flow)
    assert (shown["problems"], shown["counts"]["overflows"]) == ([], 1)


def test_a_task_that_stands_still_is_the_first(running: Journal) -> None:
    running.dependency_lost(REDIS, "lost")
    found = problems_of(running.snapshot(), [StalledTask("publisher", 70.0)], overflows=0)
    assert [each.code for each in found] == ["stalled", "redis_unreachable"]
    assert status(running, stalled=[StalledTask("publisher", 70.0)])["status"] == "stalled"


def test_while_it_starts_nothing_is_wrong_yet() -> None:
    assert codes(new_ingestion_journal()) == []


async def test_a_sample_is_what_has_changed_since_the_last_one(running: Journal) -> None:
    flow = Flow()
    flow.take(running.snapshot(), 100.0)
    for _ in range(4):
        running.frame_published("8", records=5, duration_s=0.01)
    running.frame_overflowed(PublishOverflowError("full", imei=IMEI, code="overflow"), codec="8")
    running.measure(lambda: Load(connections=9, queue_records=3))
    flow.take(running.snapshot(), 102.0)
    [sample] = flow.samples
    assert sample == Sample(
        frames_per_s=2.0,
        records_per_s=10.0,
        refused_per_s=0.5,
        overflows=1,
        publish_ms=sample.publish_ms,
        connections=9,
        queue_records=3,
    )
    assert sample.publish_ms == pytest.approx(10.0)
    assert status(running, flow)["flow"]["frames_per_s"] == [2.0]
