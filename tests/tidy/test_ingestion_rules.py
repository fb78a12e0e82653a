"""Every rule of tcp-ingestion in the architecture names tests that exist, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidy.markdown import code_spans, section
from tests.tidy.test_pitfalls import names_a_test

RULES_COUNT = 26
NOT_OURS = "Not ours: "

_TABLE = next(
    each
    for each in section(Path("ARCHITECTURE.md"), "tcp-ingestion").tables
    if each.header == ("rule", "what holds", "tests")
)


def test_no_rule_is_left_out() -> None:
    assert [int(number) for number, *_ in _TABLE.rows] == [*range(1, RULES_COUNT + 1)]


@pytest.mark.parametrize(("number", "rule", "tests"), _TABLE.rows)
def test_a_rule_names_tests_that_exist_or_says_why_not(number: str, rule: str, tests: str) -> None:
    assert rule, number
    if not tests.startswith(NOT_OURS):
        named = [each.split("::") for each in code_spans(tests)]
        assert named, number
        assert not [name for file, name in named if not names_a_test(file, name)]
