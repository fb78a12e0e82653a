"""`processor drill load`: its decisions, and the short form of `make load` on real processes."""

from __future__ import annotations

import json
from signal import Signals
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest
import trio

from drills.processor.sharing.cli import Numbers
from drills.processor.sharing.events import Events, Mark, Span
from drills.processor.sharing.holding import HandedOver
from drills.processor.sharing.judgement import ClaimBounds, Handover, bound_ms, judge_handover
from drills.processor.sharing.plan import Event, LoadOptions
from drills.processor.sharing.plot import lag_plot
from drills.processor.sharing.result import RunResult, Share, figures
from drills.processor.sharing.sampling import Sample, first_incomplete
from tests.drills.values import ending, life

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.drills.conftest import Drills

BOUNDS = ClaimBounds(threshold_ms=3_000, interval_ms=1_000, tolerance_ms=300)
SHORT = (
    *("load", "--instances", "2", "--rate", "500", "--seconds", "0.2", "--backlog", "2000"),
    *("--only", "share", "--only", "kill9", "--only", "sigterm", "--only", "rolling-same"),
)


def handover(
    event: Event, *, taken_over_ms: float | None, settled_ms: float | None, held: int = 7
) -> Handover:
    return Handover(
        event=event,
        instance="drill-004711-0",
        at_s=2.0,
        held=held,
        over=HandedOver(taken_over_ms, settled_ms),
        bound_ms=bound_ms(event, BOUNDS),
    )


def test_two_instances_that_are_killed_stopped_and_replaced_lose_nothing_and_take_over_in_time(
    drills: Drills,
) -> None:
    drilled = drills.run(*SHORT, CLAIM_INTERVAL_MS="300")
    assert drilled.code == 0, drilled.output + drilled.errors
    [run] = drilled.figures["runs"]
    assert run["rows"] == run["published"] >= 2_000
    assert (run["lost"], run["written_twice"], run["dead_lettered"], run["left_pending"]) == (
        0,
        0,
        0,
        0,
    )
    assert sum(run["backlog"]["records"]) == 2_000
    assert [(each["event"], each["bound_ms"], each["kept"]) for each in run["events"]] == [
        ("kill9", 1_600, True),
        ("sigterm", 1_000, True),
        *[("rolling-same", 1_000, True)] * 2,
    ]
    assert all(each["held"] for each in run["events"])
    # For as long as nobody had claimed it, the table was behind.
    assert run["events"][0]["oldest_uncommitted_ms_max"] > 500
    killed, *stopped = sorted(run["lives"], key=lambda each: each["exit_code"])
    assert (killed["exit_code"], killed["ledger"]) == (-Signals.SIGKILL, None)
    assert [each["exit_code"] for each in stopped] == [0] * 5
    assert drills.leave_nothing()


@pytest.mark.parametrize(
    ("event", "taken_over_ms", "settled_ms", "is_kept"),
    [
        (Event.KILL9, 4_300.0, 5_000.0, True),
        (Event.KILL9, 4_301.0, 4_400.0, False),
        (Event.FREEZE, 4_300.0, None, True),
        (Event.SIGTERM, 1_000.0, 1_200.0, True),
        (Event.SIGTERM, 1_001.0, 1_200.0, False),
        (Event.SIGTERM, None, None, False),
        (Event.ROLLING_NEW, 900.0, 1_200.0, True),
        # The new process has the name of the old one, and what is pending under it.
        (Event.ROLLING_SAME, None, 900.0, True),
        (Event.ROLLING_SAME, 900.0, 1_001.0, False),
        (Event.ROLLING_TWINS, 900.0, None, False),
    ],
)
def test_what_an_instance_held_has_to_be_taken_over_within_the_bound(
    event: Event, taken_over_ms: float | None, settled_ms: float | None, is_kept: bool
) -> None:
    judged = judge_handover(handover(event, taken_over_ms=taken_over_ms, settled_ms=settled_ms))
    assert (judged == []) is is_kept
    if judged:
        assert f"{event.value} (drill-004711-0): 7 entries were " in judged[0]


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.SHARE])
async def test_an_event_in_which_an_instance_held_nothing_shows_nothing(
    event: Event, autojump_clock: MockClock
) -> None:
    async def done(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    member = SimpleNamespace(name="drill-004711-0", number=0, service=SimpleNamespace(send=done))
    fleet: Any = SimpleNamespace(members=[member], kill=done, killed=done, stopped=done, start=done)
    stream: Any = SimpleNamespace(pending_ids=lambda _: frozenset())
    events = Events(fleet, stream, BOUNDS, autojump_clock.current_time)
    await events.carry_out(event)
    [found] = events.handovers
    [violation] = judge_handover(found)
    assert "held nothing" in violation
    [figure] = figures("load-004711", {}, (run_result(handovers=(found,)),))["runs"][0]["events"]
    assert (figure["taken_over_ms"], figure["kept"]) == (None, False)


def test_one_instance_alone_is_only_replaced() -> None:
    options = LoadOptions(
        instances=(1, 2), events=tuple(Event), rate=1, seconds=0, backlog=0, tolerance_ms=0
    )
    rolling = (Event.ROLLING_NEW, Event.ROLLING_SAME, Event.ROLLING_TWINS)
    assert options.events_with(1) == (Event.SHARE, *rolling)
    assert options.events_with(2) == tuple(Event)


def test_the_first_turn_that_lacks_a_row_is_found_behind_those_that_are_whole() -> None:
    assert first_incomplete(4, {4: 3, 5: 3, 6: 2, 7: 3}, 3) == 6
    assert first_incomplete(4, {5: 3}, 3) == 4
    assert first_incomplete(4, {4: 3}, 3) == 5


@pytest.mark.parametrize(
    ("text", "expected"), [("1,2,4", (1, 2, 4)), ("2", (2,)), (" 1 2, 4 ", (1, 2, 4))]
)
def test_numbers_of_instances_have_commas_or_blanks_between(
    text: str, expected: tuple[int, ...]
) -> None:
    assert Numbers().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "0", "65", "two", "1;2"])
def test_other_numbers_of_instances_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no list of numbers"):
        Numbers().convert(text, None, None)


def run_result(**changes: Any) -> RunResult:
    value: dict[str, Any] = {
        "name": "drill-004711",
        "instances": 2,
        "seconds": 9.0,
        "backlog": Share((60, 40), 0.5),
        "steady": Share((0, 0), 0.0),
        "handovers": (
            handover(Event.KILL9, taken_over_ms=3_500.0, settled_ms=3_600.0),
            handover(Event.SIGTERM, taken_over_ms=None, settled_ms=None),
        ),
        "spans": (Span(Event.KILL9, 2.0, 6.0),),
        "marks": (Mark(2.0, "kill -9"), Mark(6.0, "started")),
        "samples": (Sample(1.0, 0, 5, 5, 0.1), Sample(3.0, 2, 5, 7, 1.2345)),
        "lives": (life(),),
        "ending": ending(),
        "violations": ("something",),
    }
    return RunResult(**{**value, **changes})


def test_the_figures_have_each_share_each_handover_and_the_samples() -> None:
    found = figures("load-004711", {"rate": 1_000}, (run_result(),))
    assert json.loads(json.dumps(found)) == found
    assert (found["violations"], found["violation_texts"]) == (1, ["2 instances: something"])
    [run] = found["runs"]
    assert run["backlog"] == {
        "records_per_second": 200,
        "records": [60, 40],
        "share_min": 0.4,
        "share_max": 0.6,
    }
    assert run["steady"]["share_min"] is None
    assert [each["kept"] for each in run["events"]] == [True, False]
    assert run["samples"]["oldest_uncommitted_s"] == [0.1, 1.234]
    assert run["events"][1]["oldest_uncommitted_ms_max"] == 1234.5
    assert run["lives"][0]["ledger"]["acked"] == 7


def test_the_plot_is_drawn_from_the_figures_and_names_the_events() -> None:
    found = json.loads(json.dumps(figures("load-004711", {}, (run_result(),))))
    svg = lag_plot(found["runs"][0])
    assert svg.startswith("<?xml")
    assert ">kill9<" in svg
    assert "2 instances, 100 records" in svg
