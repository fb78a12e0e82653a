"""The log lines that the package can write, read from its source: level and message of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.tidy.source import modules

LEVELS = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "warning": "warn",
    "error": "error",
    "exception": "error",
    "fatal": "fatal",
}
"""The contract's name for the level of each logging method."""
LOGS = ("log", "_log", "_logger", "logger")

SERVICE = "processor"
"""Stands where a line has the name of its service, which the chassis takes as a parameter."""
VALUE = "\0"
"""Stands for a value in a message."""
ANY = "…"
"""Stands for any word in a message that a paper quotes."""


@dataclass(frozen=True)
class LogLine:
    """One call that logs; the message has VALUE in the place of each value."""

    level: str
    msg: str

    def begins_with(self, said: str) -> bool:
        """Whether the line may begin with these words, where ANY is whatever stands there.

        At least one word must be one of the line's fixed words: any line may begin with values only.
        """
        ours, theirs = self.msg.split(), said.split()
        pairs = [*zip(ours, theirs, strict=False)]
        return (
            len(theirs) <= len(ours)
            and any(our.strip(VALUE) and word != ANY for our, word in pairs)
            and all(word == ANY or _pattern(our).fullmatch(_bare(word)) for our, word in pairs)
        )


@cache
def log_lines() -> tuple[LogLine, ...]:
    """All of the package."""
    return tuple(line for module in modules() for line in _lines(module.tree))


def _lines(tree: ast.Module) -> Iterator[LogLine]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and _name(node.func.value) in LOGS
        ):
            yield LogLine(LEVELS[node.func.attr], _template(node.args[0]))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value).replace("%s", VALUE)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template, node.values))
    if isinstance(node, ast.BinOp):
        return _template(node.left) + _template(node.right)
    if isinstance(node, ast.FormattedValue) and _name(node.value) == "_service":
        return SERVICE
    return VALUE


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, _bare(word).split(VALUE))))


def _bare(word: str) -> str:
    return word.rstrip(":;,")
