"""libpq's words about a failed connection, on one line, and what the server itself said as such."""

from __future__ import annotations

import re
from typing import Final

# A server's own words stand behind its severity, which is of the server's language, and two spaces:
# pqBuildErrorMessage3 in src/interfaces/libpq/fe-protocol3.c. libpq's own errors have no severity.
_SEVERITY: Final = re.compile(r"(?<= failed: )[^:\n]{1,40}:  ")
_REFUSED: Final = "the server refused: "
# psycopg's, before libpq's.
_LEAD: Final = re.compile(r"^connection (?:failed|is bad): ")


def is_refusal(line: str) -> bool:
    """Whether a server, or a pooler before it, has answered one of the attempts; `line` is from `one_line`."""
    return f" failed: {_REFUSED}" in line


def one_line(text: str) -> str:
    """The text with `; ` for a line's end; a server's words are introduced as its own."""
    lines = _LEAD.sub("", _SEVERITY.sub(_REFUSED, text)).splitlines()
    # TLS refused and tried again without: the same words twice.
    return "; ".join(dict.fromkeys(" ".join(line.split()) for line in lines))
