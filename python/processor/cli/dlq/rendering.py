"""One dead letter as a page for people."""

from __future__ import annotations

import json
import re
from textwrap import wrap
from typing import TYPE_CHECKING

from processor.operating.dead_letters.letters import SAID
from processor.operating.dead_letters.remedies import remedy_of
from telemetry.chassis.cli.words import UNKNOWN, age

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.operating.dead_letters.letters import Letter

_COLUMNS_MAX = 100
_INDENT = "  "
# A string, a bracket or separator, or any other value; white space between them is left out.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def as_page(letter: Letter, now_ms: int) -> str:
    """What was said of it, its fields, and what to do."""
    dead_at_ms = letter.dead_at_ms
    ago = "" if dead_at_ms is None else f"  ({age((now_ms - dead_at_ms) / 1_000)} ago)"
    said = [(name, printable(letter.said.get(name, b"")) or UNKNOWN) for name in SAID]
    rows = [("letter", letter.letter_id + ago), *said]
    lines = [f"{name.replace('_', ' '):<17}{text}" for name, text in rows]
    lines += ["", "original fields", *(line for each in letter.fields for line in _field(*each))]
    return "\n".join([*lines, "", *_what_to_do(letter), ""])


def printable(value: bytes) -> str:
    """Text of one line: whatever is not printable, or not UTF-8, is escaped."""
    text = value.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def indented_json(value: bytes) -> list[str] | None:
    """The lines of JSON, each value as it was written: digits and repeated keys stay. None if it is no JSON."""
    try:
        text = value.decode()
        # Numbers are not read: some are longer than Python reads.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return [printable(line.encode()) for line in _indented(text)]


def _indented(text: str) -> Iterator[str]:
    line, depth, before = "", 0, ""
    for piece in _PIECE.findall(text):
        closes = piece in {"}", "]"}
        if before in {"{", "["} and not closes:
            yield line
            depth += 1
            line = _INDENT * depth
        elif closes and before not in {"{", "["}:
            yield line
            depth -= 1
            line = _INDENT * depth
        elif before == ",":
            yield line
            line = _INDENT * depth
        line += ": " if piece == ":" else piece
        before = piece
    yield line


def _field(name: bytes, value: bytes) -> Iterator[str]:
    lines = indented_json(value) if value[:1] in {b"{", b"["} else None
    first, *others = lines or [printable(value)]
    yield f"{_INDENT}{printable(name)}: {first}"
    yield from (_INDENT + line for line in others)


def _what_to_do(letter: Letter) -> Iterator[str]:
    remedy = remedy_of(letter.text("code"), letter.letter_id)
    yield "what to do"
    yield from wrap(remedy.advice, _COLUMNS_MAX, initial_indent=_INDENT, subsequent_indent=_INDENT)
    yield from (f"{_INDENT}$ {command}" for command in remedy.commands)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _refuse(name: str) -> None:
    raise ValueError(name)
