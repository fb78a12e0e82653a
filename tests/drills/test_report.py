"""What a drill shows to people: the table, the violations, and the page with its plots."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from drills.plan import Fault
from drills.plots import drain_plot, records_plot
from drills.processor.timeline import Sample
from drills.report import (
    VIOLATIONS_SHOWN_MAX,
    WITHOUT_PLOTS,
    as_html,
    figure_rows,
    violation_lines,
    write_report,
)
from tests.drills.values import life, result

if TYPE_CHECKING:
    from pathlib import Path


def test_without_drains_their_figures_are_empty() -> None:
    killed = result(fault=Fault.KILL9, lives=(life(drain_ms=None, fault=Fault.KILL9),))
    assert killed.figures()["drain_ms_p50"] is None
    assert ("drain, p50 / p99 / max", "-") in figure_rows(killed)
    assert "<h2>Drain</h2>" not in as_html(killed)


def test_the_table_shows_drains_beside_the_budget() -> None:
    rows = dict(figure_rows(result()))
    assert rows["drain, p50 / p99 / max"] == "100 / 300 / 300 ms"
    assert rows["drain budget"] == "8,000 ms"


def test_of_many_violations_the_first_are_shown_and_the_others_counted() -> None:
    shown = violation_lines(
        result(violations=tuple(str(n) for n in range(VIOLATIONS_SHOWN_MAX + 5)))
    )
    assert len(shown) == VIOLATIONS_SHOWN_MAX + 1
    assert shown[-1] == "... and 5 more"
    assert violation_lines(result(violations=("a",))) == ["a"]


def test_the_report_is_one_file_with_figures_violations_and_plots(tmp_path: Path) -> None:
    file = write_report(result(violations=("round 1: <lied>",)), tmp_path / "new")
    page = file.read_text(encoding="utf-8")
    assert file.name == "drill-004711-sigterm.html"
    assert "100 / 300 / 300 ms" in page
    assert "round 1: &lt;lied&gt;" in page
    assert page.count("<svg ") == page.count("</svg>") == 2
    assert "src=" not in page
    assert all(place.startswith("#") for place in re.findall(r'href="([^"]*)"', page))
    assert set(re.findall(r"https?://[^/\"]+", page)) <= {"http://www.w3.org"}


def test_a_report_without_violations_says_so() -> None:
    assert "No violation." in as_html(result())


def test_without_matplotlib_a_report_has_its_tables_and_says_how_to_get_plots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "drills.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = as_html(result())
    assert "100 / 300 / 300 ms" in page
    assert "<svg" not in page
    assert "processor[plots]" in WITHOUT_PLOTS
    assert WITHOUT_PLOTS.replace("'", "&#x27;") in page


def texts(plot: str) -> list[str]:
    """Everything that is written in a plot."""
    elements = ET.fromstring(plot).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own
    return [each.text or "" for each in elements]


def test_drains_are_drawn_beside_their_budget() -> None:
    written = texts(drain_plot(result(lives=(*[life(drain_ms=100.0)] * 3, life(drain_ms=200.0)))))
    assert {"rounds", "drain budget"} <= set(written)
    assert {"0", "1", "2", "3"} <= set(written)


def test_records_are_drawn_over_time_under_their_names() -> None:
    written = texts(records_plot(result().series()))
    assert {"published", "read", "acked", "released", "seconds since the start"} <= set(written)
    assert "80" in written


@pytest.mark.parametrize("samples", [(), (Sample(0.0, 0, 0, 0, 0),)])
def test_a_plot_of_nothing_is_still_a_plot(samples: tuple[Sample, ...]) -> None:
    assert "published" in texts(records_plot(result(samples=samples).series()))
    assert texts(drain_plot(result(lives=(life(drain_ms=0.0),))))
