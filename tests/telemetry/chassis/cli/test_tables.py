"""Tables: aligned, at most 100 columns, ids whole, no colour where nobody looks."""

from __future__ import annotations

import sys

import pytest

from telemetry.chassis.cli.tables import COLUMNS_MAX, Column, print_table, progress, right

ENTRY_ID = "1777627800000-12345"


def shown(capsys: pytest.CaptureFixture[str], *rows: tuple[str, ...]) -> list[str]:
    print_table([Column("entry"), right("idle"), Column("error", folds=True)], rows)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, (ENTRY_ID, "4 min", "a"), ("1-0", "59 s", "b")) == [
        "entry                 idle  error",
        "1777627800000-12345  4 min  a",
        "1-0                   59 s  b",
    ]


def test_a_long_text_is_folded_within_100_columns_and_ids_stay_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, (ENTRY_ID, "4 min", "x" * 300))
    assert max(map(len, lines)) <= COLUMNS_MAX
    assert ENTRY_ID in lines[1]
    assert "".join(line.split()[-1] for line in lines[1:]) == "x" * 300


def test_what_would_steer_a_terminal_is_replaced_and_brackets_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, line = shown(capsys, ("[bold]a", "\x1b[31m", "b\nc"))
    assert line.split() == ["[bold]a", "\ufffd[31m", "b\ufffdc"]


def test_without_rows_there_are_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split() for line in shown(capsys)] == [["entry", "idle", "error"]]


def test_without_a_terminal_there_is_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with progress("replaying", 10) as done:
        done(5)
    assert tuple(capsys.readouterr()) == ("", "")
