"""Durations and times as operators type them."""

from __future__ import annotations

import click
import pytest

from telemetry.chassis import clocks
from telemetry.chassis.cli import DURATION, MOMENT
from telemetry.chassis.cli.words import age, count

NOW_MS = 1_777_627_800_000  # 2026-05-01T09:30:00Z


def duration(text: str) -> int:
    return DURATION.convert(text, None, None)


def moment(text: str) -> int:
    return MOMENT.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("600", 600), ("0s", 0)],
)
def test_a_duration_has_a_unit_or_is_seconds(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-5s", "1.5h", "1w", "1 h", "9" * 13, "900000000000d", "\u0665s"]
)
def test_anything_else_is_refused_with_what_would_be_accepted(text: str) -> None:
    with pytest.raises(click.BadParameter, match="accepted: 90s, 30m, 2h, 7d"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "unix_ms"),
    [
        ("2026-05-01T09:30:00Z", NOW_MS),
        ("2026-05-01T09:30:00.250Z", NOW_MS + 250),
        ("2026-05-01T11:30:00+02:00", NOW_MS),
        ("2026-05-01T09:30:00", NOW_MS),
        ("2026-05-01", NOW_MS - 34_200_000),
    ],
)
def test_a_time_is_iso_and_utc_unless_it_says_otherwise(text: str, unix_ms: int) -> None:
    assert moment(text) == unix_ms


def test_a_time_may_be_how_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOW_MS)
    assert moment("2h") == NOW_MS - 7_200_000


@pytest.mark.parametrize("text", ["yesterday", "600", "2026-13-01", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time"):
        moment(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0 ms"),
        (0.4567, "456 ms"),
        (59.9, "59 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (-3, "0 ms"),
    ],
)
def test_an_age_has_one_unit(seconds: float | None, shown: str) -> None:
    assert age(seconds) == shown


def test_counts_have_separators() -> None:
    assert (count(12_345), count(None)) == ("12,345", "-")
