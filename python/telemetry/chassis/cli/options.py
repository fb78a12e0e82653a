"""Options and types of values that several commands have."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import click

UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# A thousand years: whatever is added to it stays a time that a calendar has.
DURATION_S_MAX: Final = 1_000 * 365 * 86_400

_DURATION = re.compile(r"([0-9]{1,12})([smhd]?)")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
)


def duration_s(text: str) -> int | None:
    """Seconds of `90s`, `30m`, `2h`, `7d`, or of a number without a unit; None for any other text."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    seconds = int(found[1]) * UNITS_S[found[2] or "s"]
    return seconds if seconds <= DURATION_S_MAX else None


class Duration(click.ParamType[int]):
    """A duration, as whole seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it; click calls this for defaults as well, which are seconds."""
        if isinstance(value, int):
            return value
        seconds = duration_s(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; accepted: 90s, 30m, 2h, 7d", param, ctx)
        return seconds


class Text(click.ParamType[str]):
    """A text that can be sent as JSON or kept by a database: UTF-8, which an argument of a command need not be."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Read it; click calls this."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is not UTF-8", param, ctx)
        return text


class Moment(click.ParamType[int]):
    """A time, as Unix time in milliseconds: ISO-8601, in UTC unless it says otherwise, or so long ago."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it; a duration counts back from now."""
        if isinstance(value, int):
            return value
        seconds = duration_s(str(value))
        if seconds is not None and not str(value).isdecimal():
            # Imported late: the module needs the event loop, which help does not.
            from telemetry.chassis import clocks  # noqa: PLC0415

            return clocks.unix_ms() - seconds * 1_000
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            accepted = (
                "accepted: 2026-05-01T09:30:00Z, 2026-05-01, or how long ago: 90s, 30m, 2h, 7d"
            )
            self.fail(f"{value!r} is not a time; {accepted}", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000)


DURATION: Final = Duration()
TEXT: Final = Text()
MOMENT: Final = Moment()
