"""The dry run over every published frame and over what people pipe into it."""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.vectors import (
    COMMAND,
    DRIVE,
    EMPTY,
    GOOD,
    WRONG_CRC,
    expected_position,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.support.operators import Ended

DEVICE = "356307042441013"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run needs none."""
    for name in ("REDIS_URL", "REDIS_TELEMETRY_STREAM"):
        monkeypatch.delenv(name, raising=False)


def by_line(out: str) -> dict[int, list[dict[str, Any]]]:
    lines = defaultdict(list)
    for text in out.splitlines():
        printed = json.loads(text, parse_float=Decimal)
        lines[printed["line"]].append(printed)
    return lines


def test_every_published_frame_is_printed_as_its_records_or_its_refusal(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    frames = rows("frames.jsonl", "transport", "tcp")
    ended = run("--dry-run", capture_of(row["hex"] for row in frames))
    printed = by_line(ended.out)
    assert ended.code == 1
    assert len(frames) == 83
    for line, row in enumerate(frames, start=1):
        if row["strict_verdict"] != "ok":
            offset = len(row["hex"]) // 2 - 4
            assert printed[line] == [{"line": line, "error": "crc_fail", "offset": offset}]
        elif "command" in row:
            assert printed[line] == [{"line": line, "codec": row["codec"], "command": True}]
        else:
            assert_records_agree(printed[line], line, row)


def assert_records_agree(printed: list[dict[str, Any]], line: int, row: dict[str, Any]) -> None:
    assert len(printed) == len(row["records"])
    for one, record in zip(printed, row["records"], strict=True):
        assert list(one) == ["line", "codec", "device_id", "ts", "payload"]
        assert (one["line"], one["codec"], one["device_id"]) == (line, row["codec"], DEVICE)
        timestamp = one["payload"].pop("timestamp")
        assert timestamp == one["ts"]
        instant = datetime.fromtimestamp(record["timestamp_ms"] // 1000, UTC)
        milliseconds = record["timestamp_ms"] % 1000
        assert timestamp == f"{instant:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
        assert one["payload"] == expected_position(record, DEVICE)


def test_every_malformed_frame_is_printed_with_an_acceptable_verdict(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    frames = rows("malformed.jsonl", "input", "tcp_frame")
    ended = run("--dry-run", capture_of(row["hex"] for row in frames))
    printed = by_line(ended.out)
    for line, row in enumerate(frames, start=1):
        if not row["hex"]:
            assert line not in printed
            continue
        errors = [one for one in printed[line] if "error" in one]
        verdict = errors[0]["error"] if errors else "ok"
        assert verdict in row["acceptable"], row["id"]
        if errors:
            assert printed[line] == errors
            assert len(errors) == 1
            assert 0 <= errors[0]["offset"] <= len(row["hex"]) // 2


def test_the_payload_is_printed_digit_for_digit_and_without_spaces(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    ended = run("--dry-run", capture_of([GOOD]))
    assert ended.code == 0
    assert ended.out == (
        '{"line":1,"codec":"8","device_id":"356307042441013","ts":"2019-06-10T10:04:46.000Z","payload":'
        '{"device_id":"356307042441013","timestamp":"2019-06-10T10:04:46.000Z","latitude":0,"longitude":0,'
        '"altitude":0,"angle":0,"speed":0,"satellites":0,"priority":1,'
        '"attributes":{"1":1,"21":3,"66":24079,"78":{"__bigint":"0"},"241":24602}}}\n'
    )


def test_blank_lines_count_but_print_nothing_and_frames_without_records_one_line(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    ended = run("--dry-run", capture_of(["", WRONG_CRC, "  ", COMMAND, EMPTY]))
    assert ended.out.splitlines() == [
        '{"line":2,"error":"crc_fail","offset":62}',
        '{"line":4,"codec":"12","command":true}',
        '{"line":5,"codec":"8","records":0}',
    ]
    assert ended.code == 1
    assert "0 records of 3 frames (1 refused, 1 commands, 1 without records)" in ended.err


def test_the_drive_gives_all_its_records(run: Callable[..., Ended]) -> None:
    ended = run("--dry-run", DRIVE)
    stamps = [one["ts"] for one in ended.lines]
    assert (ended.code, len(stamps), len(set(stamps))) == (0, 13_732, 12_375)


def test_lines_of_several_files_name_their_file(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    file = capture_of([COMMAND])
    first, second = run("--dry-run", file, file).lines
    assert first == second == {"file": str(file), "line": 1, "codec": "12", "command": True}


def test_each_round_of_new_devices_has_an_imei_of_its_own(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    file = capture_of([GOOD])
    same = run("--dry-run", "--repeat", "2", file).lines
    other = run("--dry-run", "--repeat", "2", "--new-devices", file).lines
    assert [one["device_id"] for one in same] == [DEVICE, DEVICE]
    assert [one["device_id"] for one in other] == [DEVICE, "356307042441021"]
    assert [one["payload"]["device_id"] for one in other] == [DEVICE, "356307042441021"]


LOGIN = "000f" + b"352093089168821".hex()


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_login_sets_the_device_and_pings_and_padding_are_named_once(
    run: Callable[..., Ended], tmp_path: Path, *, as_bytes: bool
) -> None:
    lines = [GOOD + "00" * 12, LOGIN, "ff", GOOD, "ff", GOOD + "0000"]
    file = tmp_path / "conversation"
    if as_bytes:
        file.write_bytes(bytes.fromhex("".join(lines)))
    else:
        file.write_text("\n".join(lines))
    ended = run("--dry-run", file)
    assert ended.code == 0
    assert [one["device_id"] for one in ended.lines] == [DEVICE, *["352093089168821"] * 2]
    assert [one["payload"]["device_id"] for one in ended.lines] == [
        one["device_id"] for one in ended.lines
    ]
    assert ended.err.count("padding") == 1
    assert "without records; 1 logins, 2 pings, 14 bytes of zero padding)" in ended.err


def test_the_device_of_the_command_line_wins_over_the_logins(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    file = capture_of([GOOD, LOGIN, GOOD])
    chosen = run("--dry-run", "--device-id", "356307041613802", file).lines
    assert [one["device_id"] for one in chosen] == ["356307041613802"] * 2


def test_each_file_begins_without_a_login_and_new_devices_follow_each_login(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path]
) -> None:
    file = capture_of([GOOD, LOGIN, GOOD])
    rounds = run("--dry-run", "--repeat", "2", "--new-devices", file, file).lines
    devices = [DEVICE, "352093089168821"], ["356307042441021", "352093089168834"]
    assert [one["device_id"] for one in rounds] == devices[0] * 2 + devices[1] * 2


def test_a_recording_of_both_directions_names_what_cannot_be_read_and_what_to_do(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    file = tmp_path / "both"
    file.write_bytes(bytes.fromhex(LOGIN + "01" + GOOD + "00000001" + GOOD))
    ended = run("--dry-run", "--json", file)
    assert ended.code == 1
    assert [(one["line"], one.get("error"), one.get("offset")) for one in ended.lines] == [
        (1, "bad_preamble", 17),
        (2, None, None),
        (3, "bad_preamble", 18 + 66),
        (4, None, None),
    ]


def test_a_dash_reads_standard_input(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = io.BytesIO(bytes.fromhex(COMMAND + COMMAND))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=frames))
    assert [one["line"] for one in run("--dry-run", "-").lines] == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--device-id", "12345", "{file}"],
        ["--device-id", "٣٥٦٣٠٧٠٤٢٤٤١٠١٣", "{file}"],
        ["--rate", "0", "{file}"],
        ["--rate", "nan", "{file}"],
        ["--repeat", "0", "{file}"],
        ["--maxlen", "-1", "{file}"],
        ["--repeat", "2", "-"],
        ["{file}.missing"],
        ["/"],
        [],
    ],
)
def test_misuse_of_the_command_line_ends_with_2_and_prints_nothing(
    run: Callable[..., Ended], capture_of: Callable[[Iterable[str]], Path], arguments: list[str]
) -> None:
    file = capture_of([GOOD])
    ended = run("--dry-run", *(word.format(file=file) for word in arguments))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_a_reader_that_stops_early_ends_the_run_quietly(start: Callable[..., Any]) -> None:
    with start("--dry-run", "--repeat", "50", DRIVE) as process:
        assert process.stdout.readline().startswith('{"line":1,')
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
