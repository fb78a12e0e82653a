"""The contract as data for its tests: numbered sections and rules, and names that are built or marked with †."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.markdown import Section, Table, sections, without_code_blocks
from tests.tidy.source import ROOT

CONTRACT = Path("docs/CONTRACT.md")
OPERATIONS = Path("OPERATIONS.md")

_NUMBERED = re.compile(r"(\d+)\. (.+)")
_RULE = re.compile(r"^(\d+)\. ", re.MULTILINE)
_NAME = re.compile(r"`([^`]+)`( †)?")


@dataclass(frozen=True)
class Name:
    """A name in a table of the contract; with † it is agreed, and not built yet."""

    text: str
    built: bool


def _numbered() -> dict[int, Section]:
    found = ((_NUMBERED.fullmatch(each.title), each) for each in sections(CONTRACT))
    return {int(title[1]): each for title, each in found if title}


SECTIONS = _numbered()
RULES = tuple(map(int, _RULE.findall(SECTIONS[4].text)))
TEXT = without_code_blocks((ROOT / CONTRACT).read_text())


def names(cell: str) -> list[Name]:
    """The names in a cell. A † at the end of the cell marks all of them, one behind a name only that name."""
    whole_cell = cell.endswith("†")
    return [Name(text, built=not (mark or whole_cell)) for text, mark in _NAME.findall(cell)]


def table(section: int, first_heading: str) -> Table:
    """The table of a section that begins with this heading."""
    [found] = [each for each in SECTIONS[section].tables if each.header[0] == first_heading]
    return found


def column(section: int, first_heading: str, heading: str | None = None) -> list[Name]:
    """All names in one column of a table; in the first one unless another is named."""
    rows = table(section, first_heading)
    index = rows.header.index(heading or first_heading)
    return [name for row in rows.rows for name in names(row[index])]


def built(found: list[Name]) -> set[str]:
    """Those without †."""
    return {name.text for name in found if name.built}


def unbuilt(found: list[Name]) -> set[str]:
    """Those with †."""
    return {name.text for name in found if not name.built}
