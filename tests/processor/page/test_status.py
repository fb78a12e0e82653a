from __future__ import annotations

import json
from typing import Any

import pytest

from processor.core.attempts import Failure, FailureStage
from processor.core.ledger import Ledger
from processor.journal.identity import Identity
from processor.journal.journal import Journal
from processor.page.flow import Flow
from processor.page.status import status_of
from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.progress import StalledTask
from tests.support.counts import InFlightOf
from tests.support.journals import new_journal

NOW_MS = 1_777_636_800_000
IDENTITY = Identity(host="ferry-7", pid=42, started_at_ms=NOW_MS - 60_000)


@pytest.fixture(autouse=True)
def it_is_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOW_MS)


def status(journal: Journal, **changes: Any) -> dict[str, Any]:
    now = journal.snapshot()
    options = {"reasons": now.unready, "stalled": (), "log_level": "info", **changes}
    value: dict[str, Any] = status_of(now, Flow(), IDENTITY, **options)
    # What cannot be sent as JSON would only be noticed by whoever asks.
    return dict(json.loads(json.dumps(value)))


def failure(code: str, entry_id: str, at_ms: int) -> Failure:
    return Failure(
        entry_id=entry_id,
        failed_at_ms=at_ms,
        stage=FailureStage.WRITE,
        code=code,
        error="db:5432: the payload of a device",
        device_id="356307042441013",
        sqlstate="23514",
    )


def test_before_anything_is_known_it_is_null_and_not_0() -> None:
    shown = status(new_journal())
    assert shown["stream"] == {
        "name": "s", "exists": None, "length": None, "last_id": None, "last_entry_age_s": None
    }  # fmt: skip
    assert shown["group"] == {
        "name": "g", "exists": None, "lag": None, "pending": None, "oldest_pending_age_s": None
    }  # fmt: skip
    assert shown["dead_letters"] == {"count": None, "by_code": {}}
    assert shown["table"] == {"reachable": False, "schema_ok": None, "newest_ts": None}
    assert (shown["status"], shown["phase"], shown["problems"]) == ("not ready", "starting", [])


def test_the_fields_of_the_status_command_as_far_as_one_instance_knows_them() -> None:
    journal = new_journal()
    for name in ("redis", "postgres"):
        journal.dependency_ready(name)
    journal.phase_entered(Phase.RUNNING)
    journal.queue_seen(
        lag=3,
        pending_entries=1,
        oldest_id=f"{NOW_MS - 7_000}-3",
        last_id=f"{NOW_MS - 5_000}-0",
        server_ms=NOW_MS,
        length=50,
        dead_letters=2,
    )
    journal.follow_in_flight(InFlightOf(1, Ledger(read=9, acked=8)))
    journal.dead_lettered(failure("no_answer", "1-0", NOW_MS), failures=3)
    shown = status(journal)
    assert shown["stream"] == {
        "name": "s",
        "exists": True,
        "length": 50,
        "last_id": f"{NOW_MS - 5_000}-0",
        "last_entry_age_s": 5.0,
    }
    assert shown["group"] == {
        "name": "g", "exists": True, "lag": 3, "pending": 1, "oldest_pending_age_s": 7.0
    }  # fmt: skip
    assert shown["consumers"] == [{"name": "c", "pending": None, "idle_ms": None, "live": True}]
    [instance] = shown["instances"]
    assert instance.pop("ledger")["acked"] == 8
    assert instance == {
        "instance_id": "i",
        "consumer": "c",
        "version": "1.0",
        "host": "ferry-7",
        "pid": 42,
        "started_at": "2026-05-01T11:59:00.000Z",
        "phase": "running",
        "in_flight": 1,
        "log_level": "info",
    }
    assert shown["dead_letters"] == {"count": 2, "by_code": {"no_answer": 1}}
    assert shown["table"] == {"reachable": True, "schema_ok": True, "newest_ts": None}
    assert shown["status"] == "ready"
    [problem] = shown["problems"]
    assert set(problem) == {"code", "message", "remedy"}


def test_what_keeps_the_service_from_its_work_is_named() -> None:
    journal = new_journal()
    journal.phase_entered(Phase.RUNNING)
    journal.batch_held("no column speed", is_schema=True)
    journal.read_failed(error="NOGROUP", count=1, retry_ms=0, is_group_gone=True)
    shown = status(journal)
    assert shown["table"]["schema_ok"] is False
    assert shown["stream"]["exists"] is shown["group"]["exists"] is False
    assert (shown["status"], set(shown["reasons"])) == (
        "not ready",
        {"redis", "schema", "consumer"},
    )
    stalled = status(journal, stalled=[StalledTask("acker", 70.0)])
    assert stalled["status"] == "stalled"


def test_failures_are_by_code_the_newest_first_and_without_what_the_record_held() -> None:
    journal = new_journal()
    for code, entry_id, age_ms in [
        ("bad_json", "1-0", 9_000),
        ("refused_by_server", "2-0", 8_000),
        ("bad_json", "3-0", 7_000),
    ]:
        journal.record_refused(failure(code, entry_id, NOW_MS - age_ms))
    shown = status(journal)
    first, second = shown["failures"]
    assert (first["code"], first["records"], first["newest_id"]) == ("bad_json", 2, "3-0")
    assert (first["newest_age_s"], second["newest_age_s"]) == (7.0, 8.0)
    assert second["sqlstate"] == "23514"
    text = json.dumps(shown)
    assert "356307042441013" not in text
    assert "payload" not in text
