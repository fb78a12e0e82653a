"""Every test that the list of pitfalls names exists, and each pitfall has one or says why it needs none."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.tidy.source import ROOT

HEADING = re.compile(r"^(#{2,3}) (.*)$", re.MULTILINE)
TITLE = re.compile(r"([PQTM]\d+)\. \S.*")
WHAT_WE_DO = "**What we do.** "
TESTS = "**Tests.**"
TEST = re.compile(r"- `([\w/-]+\.(?:py|rs))::(\w+)`")


@dataclass(frozen=True)
class Pitfall:
    """One pitfall: the fact, what we do about it, and the lines that name its tests."""

    fact: str
    what_we_do: str
    tests: tuple[str, ...]


def pitfalls() -> list[tuple[str, Pitfall]]:
    """Number and contents of each, in the paper's order. Raises ValueError for a title without a number."""
    _, *parts = HEADING.split((ROOT / "docs/PITFALLS.md").read_text())
    found = []
    for level, title, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if level == "###":
            numbered = TITLE.fullmatch(title)
            if numbered is None:
                raise ValueError(f"no number: {title}")
            fact, _, rest = text.partition(WHAT_WE_DO)
            what_we_do, _, tests = rest.partition(TESTS)
            lines = tuple(line for line in tests.splitlines() if line)
            found.append((numbered[1], Pitfall(fact.strip(), what_we_do.strip(), lines)))
    return found


PITFALLS = pitfalls()


def names_a_test(file: str, name: str) -> bool:
    path = ROOT / file if file.startswith("rust/") else ROOT / "tests" / file
    definition = rf"^\s*(?:(?:async )?def|fn) {name}\("
    return path.is_file() and re.search(definition, path.read_text(), re.MULTILINE) is not None


def test_no_pitfall_is_left_out() -> None:
    assert [number for number, _ in PITFALLS] == [
        f"{part}{number}"
        for part, count in (("P", 26), ("Q", 35), ("T", 14), ("M", 2))
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(("number", "pitfall"), PITFALLS, ids=[number for number, _ in PITFALLS])
def test_a_pitfall_names_tests_that_exist_or_says_why_it_needs_none(
    number: str, pitfall: Pitfall
) -> None:
    assert pitfall.fact, number
    assert pitfall.what_we_do, number
    named = [TEST.fullmatch(line) for line in pitfall.tests]
    assert all(named), f"a line of {number} names no test"
    assert named or "No concern" in pitfall.what_we_do
    tests = [each.groups() for each in named if each]
    assert not [f"{file}::{name}" for file, name in tests if not names_a_test(file, name)]
