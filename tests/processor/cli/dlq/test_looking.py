"""Lists and pages of dead letters."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.chassis import clocks
from tests.support.dead_letters import DEVICE, ORIGINAL, ended

if TYPE_CHECKING:
    from tests.support.dead_letters import Queue, Typed


def test_the_newest_letters_are_listed_first_and_all_are_counted(queue: Queue, dlq: Typed) -> None:
    ids = queue.add_many(120)
    listed = dlq("list", "--json").json
    assert listed["count"] == 120
    assert [each["id"] for each in listed["letters"]] == ids[:-101:-1]
    assert [each["id"] for each in dlq("list", "--json", "--limit", "1").json["letters"]] == ids[
        -1:
    ]
    assert dlq("list", "--json", "--limit", "0").json == {"count": 120, "letters": []}


def test_filters_are_counted_before_the_limit(queue: Queue, dlq: Typed) -> None:
    queue.add_many(30)
    bad = [queue.add(dlq_code="bad_type", device_id="7") for _ in range(3)]
    listed = dlq("list", "--json", "--code", "bad_type", "--limit", "2").json
    assert listed["count"] == 3
    assert [each["id"] for each in listed["letters"]] == bad[:0:-1]
    assert dlq("list", "--json", "--device", "7", "--stage", "decode").json["count"] == 4
    assert dlq("list", "--json", "--code", "bad_type", "--code", "bad_json").json["count"] == 33
    assert dlq("list", "--json", "--stage", "crash").json["count"] == 0


def test_times_are_of_the_death(queue: Queue, dlq: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    early = queue.add(dlq_dead_at="2026-05-01T09:00:00.000Z")
    late = queue.add(dlq_dead_at="2026-05-01T10:00:00.000Z")
    monkeypatch.setattr(clocks, "unix_ms", lambda: 1_777_630_200_000)  # 10:10

    def listed(*argv: str) -> list[str]:
        letters: list[dict[str, Any]] = dlq("list", "--json", *argv).json["letters"]
        return [each["id"] for each in letters]

    assert listed("--since", "2026-05-01T10:00:00Z") == [late]
    assert listed("--until", "2026-05-01T09:30") == [early]
    assert listed("--since", "30m") == [late]
    assert listed("--since", "2h", "--until", "30m") == [early]


def test_a_list_for_people_fits_100_columns_and_has_ages_and_reasons(
    queue: Queue, dlq: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: 1_777_627_980_000 + 240_000)
    letter_id = "1777627980000-123456"
    queue.add(
        letter_id="1777627979999-0", device_id="d" * 64, dlq_code="c" * 64, dlq_dead_at="soon"
    )
    queue.add(
        letter_id=letter_id,
        dlq_code="refused_by_server",
        dlq_sqlstate="23514",
        dlq_error="#" * 200,
        dlq_replays="2",
        dlq_dead_at="2026-05-01T07:35:00.000Z",
    )
    shown = dlq("list")
    assert (shown.code, shown.err) == (0, "")
    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert max(map(len, lines)) <= 100
    assert " ".join(lines[1].split()) == (
        f"{letter_id} 2026-05-01T07:35:00Z 2 h refused_by_server {DEVICE} 2"
    )
    assert lines[2].split()[:2] == ["1777627979999-0", "soon"]
    [reason] = [line for line in lines if line.startswith("refused_by_server")]
    assert reason.split()[:3] == ["refused_by_server", "23514", "1"]
    assert shown.out.count("#") == 200
    assert lines[-1] == f"2 dead letters in {queue.dead}"


def test_a_code_that_no_letter_has_is_noticed(queue: Queue, dlq: Typed) -> None:
    queue.add_many(2)
    listed = dlq("list", "--json", "--code", "bad_jsn")
    assert (listed.code, listed.json["count"]) == (0, 0)
    assert listed.err == "no dead letter has the code 'bad_jsn'; codes that are there: bad_json 2\n"
    assert dlq("replay", "--code", "bad_jsn").code == 1


def test_without_a_letter_or_a_stream_the_list_is_empty(dlq: Typed) -> None:
    assert dlq("list", "--json").json == {"count": 0, "letters": []}
    assert dlq("list").out.startswith("0 dead letters in ")


def test_one_letter_is_shown_whole_and_its_payload_alone(queue: Queue, dlq: Typed) -> None:
    letter_id = queue.add()
    shown = dlq("show", letter_id, "--json").json
    assert (shown["id"], shown["fields"]) == (letter_id, ORIGINAL)
    assert shown["dead_letter"]["code"] == "bad_json"
    assert f"letter           {letter_id}" in dlq("show", letter_id).out


def test_a_payload_is_printed_byte_for_byte(queue: Queue) -> None:
    letter_id = queue.add(payload=b"\xff\x00\n\r\n")
    process = queue.start("show", "--payload", letter_id)
    assert isinstance(process.stdout, io.TextIOWrapper)
    assert process.stdout.buffer.read() == b"\xff\x00\n\r\n"
    assert ended(process).code == 0


def test_what_is_not_there_ends_with_1(queue: Queue, dlq: Typed) -> None:
    unknown = dlq("show", "1-1", "--json")
    assert unknown.code == 1
    assert unknown.json == {"id": "1-1", "fields": None, "dead_letter": None}
    assert unknown.err == f"processor dlq: {queue.dead} has no letter 1-1\n"
    without = queue.add(payload=None)
    assert dlq("show", "--payload", without).code == 1


def test_any_fields_at_all_are_shown(queue: Queue, dlq: Typed) -> None:
    fields = [(b"f%d" % n, b"\xff") for n in range(5_000)] + [(b"\xfe", b"a"), (b"\xfe", b"b")]
    letter_id = queue.add_flat(fields)
    shown = dlq("show", letter_id, "--json").json
    assert shown["all_fields"][0] == ["f0", {"base64": "/w=="}]
    assert shown["all_fields"][-2:] == [[{"base64": "/g=="}, "a"], [{"base64": "/g=="}, "b"]]
    assert dlq("show", letter_id).code == 0
    [listed] = dlq("list", "--json").json["letters"]
    assert listed == {"id": letter_id} | dict.fromkeys(
        ("source_id", "stage", "code", "sqlstate", "device_id", "attempts", "replays", "dead_at", "error")
    )  # fmt: skip
    assert dlq("list").code == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("list", "--limit", "-1"),
        ("list", "--stage", "reading"),
        ("list", "--since", "yesterday"),
        ("list", "--since", "1h", "--until", "2h"),
        ("show", "letter"),
        ("show",),
        ("show", "1-1", "2-2"),
        ("show", "--payload", "--json", "1-1"),
    ],
)
def test_misuse_ends_with_2(argv: tuple[str, ...], dlq: Typed) -> None:
    done = dlq(*argv)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: processor dlq")


@pytest.mark.parametrize(
    "argv",
    [("list",), ("show", "1-1"), ("export",), ("replay", "--all"), ("drop", "--all", "--yes")],
)
def test_an_away_or_refusing_server_ends_with_4_and_bad_settings_with_78(
    argv: tuple[str, ...], queue: Queue, dlq: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.redis.set(queue.dead, "no stream")
    refused = dlq(*argv)
    assert (refused.code, refused.out) == (4, "")
    assert "WRONGTYPE" in refused.err
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    away = dlq(*argv)
    assert (away.code, away.out) == (4, "")
    assert "127.0.0.1:1" in away.err
    monkeypatch.delenv("REDIS_URL")
    unset = dlq(*argv)
    assert (unset.code, unset.out) == (78, "")
    assert "REDIS_URL" in unset.err


def test_a_stream_that_is_named_as_its_own_dead_letters_is_refused(
    queue: Queue, dlq: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.redis.xadd(queue.stream, {"payload": "1"})
    monkeypatch.setenv("REDIS_DLQ_STREAM", queue.stream)
    for argv in (("drop", "--all", "--yes"), ("replay", "--all"), ("list",)):
        done = dlq(*argv)
        assert (done.code, done.out) == (2, "")
        assert "both name" in done.err
    assert queue.redis.xlen(queue.stream) == 1


def test_looking_changes_nothing(queue: Queue, dlq: Typed) -> None:
    [letter_id] = queue.add_many(1)
    before = queue.redis.dump(queue.dead)
    for argv in (("list",), ("show", letter_id), ("export",), ("replay", "--all", "--dry-run"),
                 ("drop", "--all", "--dry-run"), ("drop", "--all")):  # fmt: skip
        dlq(*argv)
    assert queue.redis.dump(queue.dead) == before
    assert queue.redis.exists(queue.stream) == 0


def test_json_is_ascii_whatever_a_letter_holds(queue: Queue, dlq: Typed) -> None:
    queue.add(dlq_error="ü\u2028\x1b")
    out = dlq("list", "--json").out
    assert out.isascii()
    assert json.loads(out)["letters"][0]["error"] == "ü\u2028\x1b"
