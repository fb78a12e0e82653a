"""The page of benchmarks says what its results say, and each part of them is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bench.figures.page import page, plot_file
from bench.figures.parts import PARTS
from bench.figures.results import DIRECTORY, stored

if TYPE_CHECKING:
    from bench.figures.part import Part

RESULTS = stored()
PATH = re.compile(r'"(?:/|[A-Za-z]:\\|file:)')


def test_the_page_is_what_its_results_make() -> None:
    # `make benchmarks ARGS=--draw` writes it again.
    assert (DIRECTORY / "README.md").read_text() == page(RESULTS)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_part_was_measured_and_has_tables_and_plots(part: Part) -> None:
    figures = RESULTS[part.name]["figures"]
    assert part.plots(figures)
    for table in part.tables(figures):
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}


VERDICT = re.compile(r"\b(reached|missed)\b|\| (yes|no|not measured) \|")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_quick_run_is_not_judged(part: Part) -> None:
    result = RESULTS[part.name]
    full, quick = (page({part.name: {**result, "quick": quick}}) for quick in (False, True))
    assert VERDICT.search(full)
    assert "quick run" not in full
    assert not VERDICT.search(quick)
    assert quick.count("quick run") == 2
    for target in result["figures"]["targets"]:
        assert f"| {target['what']} |" in quick


def test_there_is_a_part_for_each_result_and_a_file_for_each_plot() -> None:
    assert set(RESULTS) <= {part.name for part in PARTS}
    drawn = {
        plot_file(part, plot)
        for part in PARTS
        if part.name in RESULTS
        for plot in part.plots(RESULTS[part.name]["figures"])
    }
    assert {file.name for file in DIRECTORY.glob("*.svg")} == drawn


def test_results_name_no_place_of_the_machine() -> None:
    for file in (DIRECTORY / "results").iterdir():
        assert not PATH.search(file.read_text()), file
