"""Deleting dead letters: only those that were chosen, and only with --yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.dead_letters import Queue, Typed


def test_without_yes_nothing_is_deleted_and_what_would_be_is_said(queue: Queue, dlq: Typed) -> None:
    ids = queue.add_many(25)
    done = dlq("drop", "--all", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"25 dead letters would be deleted\n  {ids[0]}\n")
    assert "  and 5 more\n" in done.err
    assert "add --yes" in done.err
    assert queue.letters() == ids


def test_what_fits_is_deleted_and_nothing_else(queue: Queue, dlq: Typed) -> None:
    kept = queue.add_many(600)
    ids = [queue.add(dlq_code="bad_type") for _ in range(3)]
    done = dlq("drop", "--code", "bad_type", "--yes", "--json")
    assert done.code == 0
    assert done.json == {
        "matched": 3,
        "dropped": 3,
        "skipped": [],
        "ids": ids,
        "dry_run": False,
        "interrupted": False,
        "error": None,
    }
    assert queue.letters() == kept
    assert dlq("drop", "--all", "--yes").out.startswith("600 dead letters deleted\n")
    assert queue.letters() == []
    assert queue.entries() == {}


def test_a_dry_run_needs_no_yes_and_deletes_nothing(queue: Queue, dlq: Typed) -> None:
    ids = queue.add_many(2)
    for argv in (["--all"], ids, ["--all", "--yes"]):
        done = dlq("drop", *argv, "--dry-run", "--json")
        assert (done.code, done.json["matched"], done.json["dropped"]) == (0, 2, 0)
        assert done.json["ids"] == ids
    assert queue.letters() == ids


def test_ids_that_are_not_there_are_said_and_end_with_1(queue: Queue, dlq: Typed) -> None:
    [letter_id] = queue.add_many(1)
    done = dlq("drop", "1-1", letter_id, "--yes", "--json")
    assert (done.code, done.json["matched"], done.json["dropped"]) == (1, 1, 1)
    assert done.json["skipped"] == [{"id": "1-1", "why": "not among the dead letters"}]
    for argv in ([letter_id], ["--all"], ["--code", "bad_json"]):
        for sure in ("--yes", "--dry-run"):
            assert dlq("drop", *argv, sure, "--json").code == 1
