"""Reads headings, tables and code spans of the project's papers: as much of Markdown as they use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Table:
    """A table: its first row, and the others."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """The text below a heading of the second level, up to the next one."""

    title: str
    text: str

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """In their order. Raises ValueError for a row with more or fewer cells than the header has."""
        return tuple(_tables(self.text))


@cache
def sections(path: Path) -> tuple[Section, ...]:
    """The sections of a paper, without the text above the first heading."""
    _, *rest = _HEADING.split((ROOT / path).read_text())
    return tuple(
        Section(title.strip(), text) for title, text in zip(rest[::2], rest[1::2], strict=True)
    )


def section(path: Path, title: str) -> Section:
    """The one section of this title."""
    [found] = [each for each in sections(path) if each.title == title]
    return found


def without_code_blocks(text: str) -> str:
    """The text without its fenced blocks, whose fences are no code spans."""
    return _CODE_BLOCK.sub("", text)


def code_spans(text: str) -> list[str]:
    """The pieces of the text that are written as code."""
    return [" ".join(each.split()) for each in _CODE_SPAN.findall(without_code_blocks(text))]


def _tables(text: str) -> Iterator[Table]:
    for block in re.findall(r"(?:^\|.*\n)+", text + "\n", re.MULTILINE):
        header, _, *rows = map(_cells, block.splitlines())
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells under {len(header)} headings: {row}")
        yield Table(header, tuple(rows))


def _cells(line: str) -> tuple[str, ...]:
    _, *cells, _ = _CELL_BORDER.split(line.strip())
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)
