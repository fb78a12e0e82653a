"""Numbers and times as people read them."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "-"
# (seconds of the unit, its name, seconds from which it is used)
_UNITS: Final = ((86_400, "d", 2 * 86_400), (3_600, "h", 2 * 3_600), (60, "min", 120), (1, "s", 1))


def age(seconds: float | None) -> str:
    """`450 ms`, `59 s`, `4 min`, `3 h`, `12 d`: rounded down to one unit; `-` for None."""
    if seconds is None:
        return UNKNOWN
    for unit_s, name, from_s in _UNITS:
        if seconds >= from_s:
            return f"{int(seconds // unit_s)} {name}"
    return f"{max(0, int(seconds * 1_000))} ms"


def count(number: int | None) -> str:
    """`12,345`; `-` for None."""
    return UNKNOWN if number is None else f"{number:,}"
