from __future__ import annotations

from dataclasses import replace

from drills.plan import FROZEN_BEFORE_STOP_MS_MAX, DrillOptions, Fault, Round, draw_rounds

OPTIONS = DrillOptions(
    fault=Fault.SIGTERM,
    rounds=40,
    seed=7,
    rate=100,
    backlog=500,
    within_ms=1_000,
    instances=2,
    tolerance_ms=500,
)
FREEZING = replace(OPTIONS, fault=Fault.FREEZE_POSTGRES)


def draw(options: DrillOptions) -> tuple[Round, ...]:
    return draw_rounds(options, drain_budget_ms=8_000)


def test_the_same_options_draw_the_same_rounds_and_another_seed_others() -> None:
    assert draw(OPTIONS) == draw(OPTIONS)
    assert draw(OPTIONS) != draw(replace(OPTIONS, seed=8))


def test_a_longer_drill_begins_like_a_shorter_one() -> None:
    assert draw(replace(OPTIONS, rounds=50))[:40] == draw(OPTIONS)


def test_the_fault_comes_within_the_bound_and_not_at_one_moment() -> None:
    moments = {each.fault_after_ms for each in draw(OPTIONS)}
    assert len(moments) == 40
    assert all(0 <= moment <= 1_000 for moment in moments)


def test_instances_take_turns_and_every_second_round_has_a_backlog() -> None:
    rounds = draw(OPTIONS)
    assert [each.instance for each in rounds[:4]] == [0, 1, 0, 1]
    assert [each.backlog for each in rounds[:4]] == [500, 0, 500, 0]


def test_only_a_freeze_waits_before_the_stop_request() -> None:
    assert {each.signal_after_ms for each in draw(OPTIONS)} == {0.0}
    assert all(0 < each.signal_after_ms <= FROZEN_BEFORE_STOP_MS_MAX for each in draw(FREEZING))


def test_every_second_pair_of_freezes_thaws_within_the_budget() -> None:
    thaws = [each.thaw_after_ms for each in draw(FREEZING)]
    assert [thaw is None for thaw in thaws] == [True, True, False, False] * 10
    assert all(thaw is None or 0 <= thaw <= 4_000 for thaw in thaws)
    assert all(each.thaw_after_ms is None for each in draw(OPTIONS))


def test_whether_a_round_thaws_is_independent_of_its_backlog() -> None:
    kinds = {(each.backlog > 0, each.thaw_after_ms is None) for each in draw(FREEZING)}
    assert len(kinds) == 4
