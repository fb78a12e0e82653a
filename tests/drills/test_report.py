from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from drills.plan import Fault
from drills.report import as_html, write_report
from drills.summary import VIOLATIONS_SHOWN_MAX, figure_rows, violation_lines
from drills.svg import Series, distribution, lines, round_steps
from tests.drills.values import life, result, words

if TYPE_CHECKING:
    from pathlib import Path


def test_the_json_object_has_the_figures() -> None:
    figures = json.loads(result(violations=("a", "b")).as_json())
    assert figures["rounds"] == 2
    assert figures["violations"] == 2
    assert figures["violation_texts"] == ["a", "b"]
    assert (figures["lost"], figures["written_twice"], figures["released"]) == (0, 0, 40)
    assert [figures[f"drain_ms_{name}"] for name in ("p50", "p99", "max")] == [100.0, 300.0, 300.0]
    assert figures["exit_codes"] == {"0": 1, "3": 1}
    assert "\n" not in result().as_json()


def test_what_was_released_and_never_read_is_a_figure_of_its_own() -> None:
    told = life(last_words=words(read=7, acked=7, released_unread=5))
    figures = result(lives=(told, life(last_words=None), told)).figures()
    assert figures["released_unread"] == 10
    assert ("of them never read", "10") in figure_rows(result(lives=(told, told)))


def test_what_the_last_life_took_over_is_counted_and_its_drain_is_not() -> None:
    figures = result().figures()
    assert figures["takeover_ms_max"] == 20.0
    assert figures["drain_ms_max"] == 300.0


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
    assert page.count("<svg ") == 2
    assert "src=" not in page
    assert "href=" not in page


def test_a_report_without_violations_says_so() -> None:
    assert "No violation." in as_html(result())


def bars(chart: str) -> list[float]:
    """Heights of the bars, the legend's squares left out."""
    rectangles = ET.fromstring(chart).iter("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - our own
    return [float(each.attrib["height"]) for each in rectangles if each.attrib["width"] != "12"]


def test_a_distribution_has_a_bar_for_each_size_and_a_line_at_the_limit() -> None:
    chart = distribution([100.0] * 3 + [200.0], limit=8_000, limit_name="budget", x_label="ms")
    heights = sorted(bars(chart), reverse=True)
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.5)
    assert set(heights[2:]) == {0.0}
    assert chart.count("stroke-dasharray") == 1


def test_lines_have_a_point_for_each_value_and_begin_at_the_bottom_left() -> None:
    chart = lines([Series("a", [(0, 0), (1, 10)]), Series("b", [(0, 0), (1, 5)])], x_label="s")
    drawn = [
        each.attrib["points"]
        for each in ET.fromstring(chart).iter("{http://www.w3.org/2000/svg}polyline")  # noqa: S314
    ]
    assert drawn == ["80.0,275.0 710.0,20.0", "80.0,275.0 710.0,147.5"]


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)]])
def test_a_chart_of_nothing_is_still_a_chart(points: list[tuple[float, float]]) -> None:
    assert ET.fromstring(lines([Series("a", points)], x_label="s")).tag.endswith("svg")  # noqa: S314
    assert distribution([], limit=10, limit_name="l", x_label="ms").startswith("<svg")


@pytest.mark.parametrize(
    ("greatest", "last", "count"),
    [(0.5, 0, 1), (2, 2, 3), (31, 30, 7), (99_607, 80_000, 5), (8, 8, 9), (9, 8, 5)],
)
def test_ticks_are_round_and_few(greatest: float, last: int, count: int) -> None:
    steps = round_steps(greatest)
    assert (steps[0], steps[-1], len(steps)) == (0, last, count)
