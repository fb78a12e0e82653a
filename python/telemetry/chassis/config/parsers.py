"""Turn the text of one environment variable into a value, or say what would be accepted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT_MAX = 1_000_000
MILLISECONDS_MAX = 86_400_000
PORT_MAX = 65_535
TEXT_CHARACTERS_MAX = 512

# `int` would also take signs, underscores, blanks and the digits of other scripts. Nineteen digits
# are beyond every range here, and keep `int` from its own limit on long texts.
_DECIMAL = re.compile(r"[0-9]{1,19}")


class Unacceptable(ValueError):
    """The value is not accepted. The message continues a sentence that begins with it: `is ...; accepted: ...`."""


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A parser of decimal ASCII digits, without sign, blanks or underscores."""
    accepted = f"accepted: a whole number from {least} to {most} in decimal digits"

    def parse(raw: str) -> int:
        if not _DECIMAL.fullmatch(raw):
            raise Unacceptable(f"is not a whole number; {accepted}")
        if not least <= int(raw) <= most:
            raise Unacceptable(f"is out of range; {accepted}")
        return int(raw)

    return parse


count = whole_number(1, COUNT_MAX)
port = whole_number(0, PORT_MAX)


def milliseconds(*, least: int = 1, most: int = MILLISECONDS_MAX) -> Callable[[str], int]:
    """A parser of a duration in milliseconds."""
    return whole_number(least, most)


def choice(*accepted: str) -> Callable[[str], str]:
    """A parser that takes one of the given words, as written."""

    def parse(raw: str) -> str:
        if raw not in accepted:
            raise Unacceptable(f"is unknown; accepted: {', '.join(accepted)}")
        return raw

    return parse


def text(raw: str) -> str:
    """A name or path of printable characters, 512 at most."""
    if len(raw) > TEXT_CHARACTERS_MAX or not raw.isprintable() or raw.isspace():
        raise Unacceptable(
            f"is not a name; accepted: 1 to {TEXT_CHARACTERS_MAX} printable characters"
        )
    # Names are shown, in each log line some of them: a URL in the wrong variable would be, password included.
    if "://" in raw:
        raise Unacceptable("is a URL; accepted: a name or a path")
    return raw
