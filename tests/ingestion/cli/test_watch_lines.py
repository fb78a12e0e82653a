"""How a conversation is written for people: a line for each moment, bytes in hex, positions decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ingestion.cli.watch_lines import AsText
from ingestion.operating.watching import Begun, PartsLost, Told
from tests.support.ingestion_frames import NOON_MS
from tests.support.vectors import FRAMES, GOOD, WRONG_CRC

if TYPE_CHECKING:
    from collections.abc import Callable

IMEI = "356307042441013"
DEVICE = {
    "address": "10.0.0.7:4711",
    "connected_since": "2026-05-01T11:00:00.000Z",
    "frames": 3,
}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    text = AsText(IMEI)

    def show(*news: Begun | PartsLost | Told) -> list[str]:
        for each in news:
            text.take(each)
        return capsys.readouterr().out.splitlines()

    return show


def told(kind: str, **facts: Any) -> Told:
    return Told("i-1", 3, NOON_MS, kind, facts)


def test_a_frame_and_its_answer(shown: Callable[..., list[str]]) -> None:
    lines = shown(told("received", hex=GOOD), told("sent", hex="00000001"))
    assert lines == [
        "12:00:00.000  i-1#3  device  frame, codec 8, 1 record, 66 bytes",
        f"    {GOOD[:80]}",
        f"    {GOOD[80:]}",
        "    2019-06-10T10:04:46.000Z  0.0000000 0.0000000  0 m  0 deg  0 km/h  0 sat  priority 1",
        "        1=1 21=3 66=24079 78=0 241=24602",
        "12:00:00.000  i-1#3  server  answer: 1 record",
        "    00000001",
    ]


@pytest.mark.parametrize(
    ("news", "words"),
    [
        (Begun("i-1", None), "-       the device is not connected here; waiting for its login"),
        (
            Begun("i-1", DEVICE),
            "connected since 2026-05-01T11:00:00.000Z from 10.0.0.7:4711, 3 frames answered",
        ),
        (
            told("opened", address="10.0.0.7:4711", transport="tls", login=True),
            "logged in from 10.0.0.7:4711 over tls",
        ),
        (told("sent", hex="01"), "server  login accepted"),
        (told("received", hex="ff"), "device  ping"),
        (
            told("received", hex=WRONG_CRC),
            "device  frame that cannot be decoded: crc_fail at byte 62, 66 bytes",
        ),
        (
            told("noted", what="frame refused: \x1b[2J"),
            "frame refused: \N{REPLACEMENT CHARACTER}[2J",
        ),
        (told("closed", why="idle time-out"), "the connection is over: idle time-out"),
        (told("lost", events=7), 'some of the conversation is missing: {"events": 7}'),
        (PartsLost("i-1", 2), 'some of the conversation is missing: {"messages": 2}'),
        (told("ended", why="its time is over"), "the watch is over: its time is over"),
    ],
)
def test_what_else_happens_is_said_in_a_sentence(
    shown: Callable[..., list[str]], news: Begun | PartsLost | Told, words: str
) -> None:
    assert shown(news)[0].endswith(words)


def test_no_line_is_too_long_for_a_terminal(shown: Callable[..., list[str]]) -> None:
    for frame in FRAMES:
        for line in shown(told("received", hex=frame.hex())):
            assert len(line) <= 100 or "=" in line
