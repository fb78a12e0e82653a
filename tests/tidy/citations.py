"""Where code, papers and tests cite the contract."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.tidy.contract import CONTRACT
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACES = ("python", "rust", "tests", "dev", "bench", "docs")
SUFFIXES = (".py", ".pyi", ".rs", ".lua", ".sh", ".sql", ".md")

# A citation may go over the end of a line; the next line may begin with a comment's marker.
_LINE_BREAK = re.compile(r"\s*\n\s*(?:(?://[/!]?|#|--)\s)?\s*")
_CITATION = re.compile(
    r"\b[Cc]ontract(?:'s)?\b[^.`]{0,30}?(?:section |§)(?P<section>\d+)(?:,? rules? (?P<rule>\d+))?"
)
_RULE_ALONE = re.compile(r"\b[Cc]ontract's rule (?P<rule>\d+)")
_WITHIN = re.compile(r"§(?P<section>\d+)|\brule (?P<rule>\d+)")
# The section whose rules are cited by their numbers alone.
RULES_SECTION = 4


@dataclass(frozen=True)
class Citation:
    """One citation in a file; `rule` is None if the whole section is cited."""

    file: str
    section: int
    rule: int | None

    def __str__(self) -> str:
        return f"{self.file}: {self.section}" + ("" if self.rule is None else f", rule {self.rule}")


@cache
def citations() -> tuple[Citation, ...]:
    """All citations, each once a file."""
    return tuple(dict.fromkeys(each for path in _files() for each in _citations_in(path)))


def _files() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            if path.suffix in SUFFIXES and "target" not in path.parts:
                yield path


def _citations_in(path: Path) -> Iterator[Citation]:
    text = _LINE_BREAK.sub(" ", path.read_text())
    file = path.relative_to(ROOT)
    # Within the contract, a citation does not name it.
    patterns = (_WITHIN,) if file == CONTRACT else (_CITATION, _RULE_ALONE)
    for pattern in patterns:
        for found in pattern.finditer(text):
            parts = found.groupdict()
            section, rule = parts.get("section"), parts.get("rule")
            yield Citation(
                str(file), int(section or RULES_SECTION), None if rule is None else int(rule)
            )
