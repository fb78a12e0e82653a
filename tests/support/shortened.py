"""Prometheus' files with every time in them divided by one factor, so that a test need not wait for minutes."""

from __future__ import annotations

import re

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"\b(\d+)(ms|s|m|h|d)\b")
# Right behind a series whose name has its unit; a factor of another series is no time.
_THRESHOLD = re.compile(r"(_seconds(?::\w+)? > )(\d+(?:\.\d+)?)(?![.\d]| \*)")


def shortened(text: str, factor: float) -> str:
    """The text of rules or of a configuration with each duration, and each threshold in seconds, divided."""
    with_thresholds = _THRESHOLD.sub(lambda found: f"{found[1]}{float(found[2]) / factor:g}", text)
    return _DURATION.sub(lambda found: shortened_duration(found[0], factor), with_thresholds)


def shortened_duration(duration: str, factor: float) -> str:
    """One duration, such as `5m`, divided; in milliseconds, at least one."""
    [(number, unit)] = _DURATION.findall(duration)
    return f"{max(1, round(int(number) * _UNIT_MS[unit] / factor))}ms"
