"""Every test that the list of pitfalls names exists, and no row is without one or without the reason why."""

from __future__ import annotations

import re

import pytest

from tests.tidy.source import ROOT

ROW = re.compile(r"\| ([PQTM]\d+) \|.*\|")
TEST = re.compile(r"`([\w/-]+\.(?:py|rs))::(\w+)`")
ROWS = {
    found[1]: line
    for line in (ROOT / "docs/PITFALLS.md").read_text().splitlines()
    if (found := ROW.fullmatch(line))
}


def names_a_test(file: str, name: str) -> bool:
    path = ROOT / file if file.startswith("rust/") else ROOT / "tests" / file
    definition = rf"^\s*(?:(?:async )?def|fn) {name}\("
    return path.is_file() and re.search(definition, path.read_text(), re.MULTILINE) is not None


def test_no_pitfall_is_left_out() -> None:
    assert [*ROWS] == [
        f"{part}{number}"
        for part, count in (("P", 25), ("Q", 35), ("T", 14), ("M", 2))
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("pitfall", ROWS)
def test_a_pitfall_names_tests_that_exist_or_says_why_it_needs_none(pitfall: str) -> None:
    named = TEST.findall(ROWS[pitfall])
    assert named or "No concern" in ROWS[pitfall]
    assert not [f"{file}::{name}" for file, name in named if not names_a_test(file, name)]
