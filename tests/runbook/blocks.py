"""Reads the runbook: its recipes, the commands in them, and those in its sentences and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tests.tidy.markdown import code_spans
from tests.tidy.source import ROOT

OPERATIONS: Final = ROOT / "OPERATIONS.md"

_HEADING = re.compile(r"^(##+) (.+)$")
_FENCE = re.compile(r"^```(.*)$")
_PLACEHOLDER = re.compile(r"(?<=[\s/])([A-Z]+)(?![A-Z_=])")
_PROGRAMS = ("processor ", "tcp-ingestion ", "curl ")
_PORTS = {":9090": ':"$METRICS_PORT"', ":9091": ':"$INGESTION_METRICS_PORT"'}
# Log lines that begin with a program's name, what runs until it is stopped, and what recipes run with arguments.
_NOT_RUN = {
    "processor starting",
    "processor ready",
    "processor run",
    "processor top",
    "processor lag --watch",
    "processor drill sigterm",
    "processor drill load",
    "processor dlq replay",
    "processor dlq drop",
    "tcp-ingestion starting",
    "tcp-ingestion ready",
    "tcp-ingestion watch IMEI",
    "tcp-ingestion drill sigterm",
}


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
    def exit_codes(self) -> set[int]:
        """What it may end with: `sh exit=1` says so where that is not 0."""
        codes = [word.removeprefix("exit=") for word in self.words if word.startswith("exit=")]
        return {int(code) for code in codes[0].split("|")} if codes else {0}

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


def commands_in_text() -> list[str]:
    """The commands that stand in sentences and tables of the runbook, without repeats.

    A word in capitals, such as NAME, stands for the shell's variable of that name.
    """
    spans = dict.fromkeys(code_spans(OPERATIONS.read_text()))
    commands = [each for each in spans if each.startswith(_PROGRAMS) and each not in _NOT_RUN]
    return [_in_shell(command) for command in commands]


def _in_shell(command: str) -> str:
    in_shell = _PLACEHOLDER.sub(r'"$\1"', command)
    for port, variable in _PORTS.items():
        in_shell = in_shell.replace(port, variable)
    return in_shell
