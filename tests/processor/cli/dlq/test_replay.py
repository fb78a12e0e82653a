"""What a replay does to each letter, and what it says."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.operating.dead_letters.letters import parse_letter
from tests.processor.operating.dead_letters.test_letters import FIELDS, flat
from tests.support.dead_letters import ORIGINAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dead_letters import Queue, Typed


def as_bytes(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in fields.items()}


def test_a_letter_goes_back_as_it_was_published_with_its_replays_counted(
    queue: Queue, dlq: Typed
) -> None:
    letter_id = queue.add(dlq_replays="1")
    done = dlq("replay", letter_id, "--json")
    assert (done.code, done.err) == (0, "")
    [(entry_id, fields)] = queue.entries().items()
    assert fields == as_bytes({**ORIGINAL, "dlq_replays": "2"})
    assert done.json == {
        "matched": 1,
        "replayed": 1,
        "skipped": [],
        "new_ids": {letter_id: entry_id},
        "dry_run": False,
        "interrupted": False,
        "error": None,
    }
    assert queue.letters() == []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=FIELDS.filter(bool), payload=st.none() | st.binary(max_size=4))
def test_whatever_a_letter_holds_its_original_fields_go_back_in_order_with_repeats(
    queue: Queue, dlq: Typed, fields: list[tuple[bytes, bytes]], payload: bytes | None
) -> None:
    letter_id = queue.add_flat(fields)
    letter = parse_letter(letter_id.encode(), flat(fields))
    replays = letter.count("replays") or 0
    argv = ["replay", letter_id, "--json", "--max-replays", "1000000"]
    if payload is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(payload))
        argv += ["--payload", "-"]
    done = dlq(*argv)
    expected = [*letter.fields]
    if payload is not None:
        expected = [(name, payload if name == b"payload" else value) for name, value in expected]
        if letter.field(b"payload") is None:
            expected.append((b"payload", payload))
    expected.append((b"dlq_replays", b"%d" % (replays + 1)))
    assert queue.entry_flat(done.json["new_ids"][letter_id]) == expected
    assert queue.letters() == []


def test_at_the_guard_a_letter_stays(queue: Queue, dlq: Typed) -> None:
    low, high, huge = (queue.add(dlq_replays=number) for number in ("2", "3", "9" * 400))
    done = dlq("replay", "--all", "--json")
    assert done.code == 1
    assert done.json["matched"] == 3
    assert [*done.json["new_ids"]] == [low]
    assert [each["id"] for each in done.json["skipped"]] == [high, huge]
    assert done.json["skipped"][0]["why"] == "replayed 3 times already; --max-replays is 3"
    assert queue.letters() == [high, huge]
    assert dlq("replay", high, "--max-replays", "4").code == 0


@pytest.mark.parametrize("number", [None, "", "many", "-1", "1.5", "0x1"])
def test_a_count_that_cannot_be_read_is_none(number: str | None, queue: Queue, dlq: Typed) -> None:
    queue.add(dlq_replays=number)
    assert dlq("replay", "--all").code == 0
    [fields] = queue.entries().values()
    assert fields[b"dlq_replays"] == b"1"


def test_thousands_of_fields_go_back_and_more_than_a_script_can_copy_are_skipped(
    queue: Queue, dlq: Typed
) -> None:
    def letter_of(number: int) -> str:
        return queue.add_flat([(b"f%d" % n, b"") for n in range(number)])

    most, more, all_that_redis_takes = letter_of(3_900), letter_of(3_901), letter_of(100_000)
    done = dlq("replay", "--all", "--json")
    assert [*done.json["new_ids"]] == [most]
    assert done.json["skipped"] == [
        {"id": more, "why": "has 3,901 fields, more than Redis copies in one step"},
        {
            "id": all_that_redis_takes,
            "why": "has 100,000 fields, more than Redis copies in one step",
        },
    ]
    assert len(queue.entry_flat(done.json["new_ids"][most])) == 3_901


def test_a_dry_run_says_what_would_be_done_and_does_nothing(queue: Queue, dlq: Typed) -> None:
    queue.add_many(30)
    queue.add(dlq_replays="3")
    done = dlq("replay", "--all", "--dry-run", "--json")
    assert done.code == 1
    assert (done.json["matched"], done.json["replayed"], done.json["new_ids"]) == (31, 0, {})
    assert len(done.json["skipped"]) == 1
    assert len(queue.letters()) == 31
    assert queue.entries() == {}
    assert dlq("replay", "--code", "bad_json", "--max-replays", "4", "--dry-run").code == 0


def test_a_letter_is_mended_by_a_payload(queue: Queue, dlq: Typed, tmp_path: Path) -> None:
    other, letter_id = queue.add_many(2)
    mended = tmp_path / "mended.json"
    mended.write_bytes(b'{"a":1.10}\r\n')
    assert dlq("replay", "--payload", str(mended), letter_id).code == 0
    [fields] = queue.entries().values()
    assert fields[b"payload"] == b'{"a":1.10}\r\n'
    assert [*fields] == [*as_bytes(ORIGINAL), b"dlq_replays"]
    assert queue.letters() == [other]


def test_a_payload_mends_exactly_one_letter(queue: Queue, dlq: Typed, tmp_path: Path) -> None:
    ids = queue.add_many(2)
    mended = tmp_path / "mended.json"
    mended.write_text("{}")
    for argv in (ids, ["--all"], ["--code", "bad_json"]):
        done = dlq("replay", "--payload", str(mended), *argv)
        assert (done.code, done.out) == (2, "")
        assert "exactly one letter" in done.err
    assert queue.letters() == ids
    assert dlq("replay", "--payload", str(mended), "--device", "1").code == 0
    assert queue.letters() == ids[:1]


def test_a_payload_that_is_no_json_is_mentioned(queue: Queue, dlq: Typed, tmp_path: Path) -> None:
    letter_id = queue.add()
    mended = tmp_path / "mended.json"
    mended.write_bytes(b"{\xff")
    done = dlq("replay", "--payload", str(mended), letter_id, "--dry-run")
    assert done.code == 0
    assert done.err.startswith(f"note: the payload in {mended} is not JSON")


def test_ids_that_are_not_there_are_skipped_and_not_matched(queue: Queue, dlq: Typed) -> None:
    [letter_id] = queue.add_many(1)
    done = dlq("replay", "1-1", letter_id, letter_id, "--json")
    assert done.code == 1
    assert (done.json["matched"], done.json["replayed"]) == (1, 1)
    assert done.json["skipped"] == [{"id": "1-1", "why": "not among the dead letters"}]
    again = dlq("replay", letter_id, "--json")
    assert (again.code, again.json["matched"]) == (1, 0)
    assert len(queue.entries()) == 1


@pytest.mark.parametrize("argv", [("--all",), ("--code", "bad_json"), ("--all", "--dry-run")])
def test_nothing_to_replay_ends_with_1(argv: tuple[str, ...], dlq: Typed) -> None:
    done = dlq("replay", *argv, "--json")
    assert (done.code, done.json["matched"], done.json["replayed"]) == (1, 0, 0)
    assert dlq("replay", *argv).out == (
        "0 dead letters would be replayed\n" if "--dry-run" in argv else "0 dead letters replayed\n"
    )


def test_people_read_ids_and_not_more_of_them_than_fit(queue: Queue, dlq: Typed) -> None:
    ids = queue.add_many(25)
    high = queue.add(dlq_replays="3")
    lines = [line.rstrip() for line in dlq("replay", "--all").out.splitlines()]
    entries = [*queue.entries()]
    assert lines[0] == "25 dead letters replayed, 1 skipped"
    assert lines[2].split() == ["letter", "new", "entry"]
    assert [line.split() for line in lines[3:23]] == [
        [*pair] for pair in zip(ids[:20], entries[:20], strict=True)
    ]
    assert lines[23] == "and 5 more: --json has all"
    assert lines[-1].startswith(f"{high}  replayed 3 times already")


@pytest.mark.parametrize("command", ["replay", "drop"])
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "Which letters?"),
        (("--dry-run",), "Which letters?"),
        (("--all", "1-1"), "exclude each other"),
        (("--all", "--code", "bad_json"), "exclude each other"),
        (("--since", "1h", "1-1"), "exclude each other"),
        (("letter",), "is not an id"),
    ],
)
def test_letters_are_chosen_in_exactly_one_way(
    command: str, argv: tuple[str, ...], said: str, dlq: Typed
) -> None:
    done = dlq(command, *argv)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize(
    "argv",
    [("--rate", "0"), ("--rate", "nan"), ("--max-replays", "0"), ("--payload", "/no/such/file")],
)
def test_misuse_ends_with_2(argv: tuple[str, ...], dlq: Typed) -> None:
    done = dlq("replay", "--all", *argv)
    assert (done.code, done.out) == (2, "")
