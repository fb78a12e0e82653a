"""The figures of a drill as one JSON object, and its samples in bounded memory."""

from __future__ import annotations

import json

from drills.processor.timeline import SAMPLES_MAX, Sample, Timeline
from drills.report import figure_rows
from tests.drills.values import life, result, said


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
    line = life(last_line=said(read=7, acked=7, released_unread=5))
    figures = result(lives=(line, life(last_line=None), line)).figures()
    assert figures["released_unread"] == 10
    assert ("of them never read", "10") in figure_rows(result(lives=(line, line)))


def test_what_the_last_life_took_over_is_counted_and_its_drain_is_not() -> None:
    figures = result().figures()
    assert figures["takeover_ms_max"] == 20.0
    assert figures["drain_ms_max"] == 300.0


def test_a_timeline_stays_bounded_and_keeps_its_first_sample() -> None:
    timeline = Timeline()
    for number in range(10 * SAMPLES_MAX):
        timeline.add(Sample(float(number), 0, 0, 0, 0))
    assert len(timeline.samples) < SAMPLES_MAX
    assert timeline.samples[0].at_s == 0.0
    assert timeline.interval_s > 0.1
