"""Reads the runbook: its recipes, the commands in them, and those that stand in its tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tests.tidy.markdown import code_spans, section
from tests.tidy.source import ROOT

OPERATIONS: Final = ROOT / "OPERATIONS.md"
PROGRAM: Final = "processor"

_HEADING = re.compile(r"^(##+) (.+)$")
_FENCE = re.compile(r"^```(.*)$")


@dataclass(frozen=True)
class Block:
    """Commands of the runbook, as they stand there."""

    recipe: str
    """The nearest heading above it."""
    words: tuple[str, ...]
    """What stands behind the fence: `sh`, and how the block is run."""
    text: str
    line: int
    """The number of its first line."""

    @cached_property
    def exit_code(self) -> int:
        """What it ends with: `sh exit=1` says so where that is not 0."""
        codes = [word.removeprefix("exit=") for word in self.words if word.startswith("exit=")]
        return int(codes[0]) if codes else 0

    @property
    def is_interrupted(self) -> bool:
        """`sh interrupt`: it runs on a terminal until Ctrl-C."""
        return "interrupt" in self.words

    @property
    def needs_an_engine(self) -> bool:
        """`sh container`: the drill of the container runs it."""
        return "container" in self.words


def blocks() -> list[Block]:
    """Every block of commands, in order. Raises ValueError for a fence that says neither `sh` nor what it shows."""
    found, recipe, inside = list[Block](), "", list[str]()
    words: tuple[str, ...] | None = None
    for number, line in enumerate(OPERATIONS.read_text().splitlines(), 1):
        fence, heading = _FENCE.match(line), _HEADING.match(line)
        if fence and words is None:
            words, inside = tuple(fence[1].split()), []
        elif fence and words is not None:
            if words[:1] == ("sh",):
                text = "\n".join(inside)
                found.append(Block(recipe, words, text, number - len(inside)))
            words = None
        elif words is not None:
            inside.append(line)
        elif heading:
            recipe = heading[2]
    return found


def recipes() -> dict[str, list[Block]]:
    """The blocks that this machine runs, by recipe."""
    by_recipe: dict[str, list[Block]] = {}
    for block in blocks():
        if not block.needs_an_engine:
            by_recipe.setdefault(block.recipe, []).append(block)
    return by_recipe


def commands_in_tables(*titles: str) -> list[str]:
    """The program's commands that stand in the tables of these sections, without repeats."""
    spans = [
        span
        for title in titles
        for table in section(OPERATIONS, title).tables
        for row in table.rows
        for cell in row
        for span in code_spans(cell)
    ]
    return list(dict.fromkeys(span for span in spans if span.startswith(f"{PROGRAM} ")))
