from __future__ import annotations

import os
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from bench.figures.page import plot_file, write_page
from bench.figures.parts import PARTS
from bench.figures.results import store, stored
from bench.figures.style import DARK
from bench.sweeps import SweepScale, run_sweeps
from dev.servers import Choice

if TYPE_CHECKING:
    from pathlib import Path

    from bench.figures.part import Part

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_drawn_from_its_stored_result(part: Part, tmp_path: Path) -> None:
    result = stored()[part.name]
    store(result, tmp_path)
    (tmp_path / "old-plot.svg").write_text("<svg/>")

    write_page(stored(tmp_path), tmp_path)

    plots = part.plots(result["figures"])
    assert {file.name for file in tmp_path.glob("*.svg")} == {
        plot_file(part, plot) for plot in plots
    }
    for plot in plots:
        text = (tmp_path / plot_file(part, plot)).read_text()
        assert len(text) < 150_000
        drawn = ET.fromstring(text)  # noqa: S314  # we wrote it
        # A colour without a dark one would stay as it is in a dark scheme.
        colours = {
            value.strip()
            for each in drawn.iter()
            for declaration in each.get("style", "").split(";")
            for name, _, value in [declaration.partition(":")]
            if name.strip() in {"fill", "stroke"}
        }
        assert colours - {"none"} <= set(DARK), plot.name
        assert any(each.text for each in drawn.iter(f"{SVG}text"))
    page = (tmp_path / "README.md").read_text()
    assert f"## {part.title}" in page
    assert "## Not measured yet" in page


def test_a_point_of_the_sweeps_has_memory_and_the_time_until_ready() -> None:
    scale = SweepScale(rounds=1, backlogs=(200,), devices=(20,), usual_backlog=200, settings={})
    choice = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))

    # It raises when a row is left out.
    result = run_sweeps(scale, choice, progress=lambda _step: None)

    assert [(each.sweep, each.value) for each in result.points] == [("backlog", 200)] * 2
    for each in result.points:
        assert each.run.peak_bytes > 10_000_000
        assert each.run.ready_s > 0
