from __future__ import annotations

from dataclasses import replace

from drills.plan import FROZEN_BEFORE_STOP_MS_MAX, DrillPlan, Fault

PLAN = DrillPlan(
    fault=Fault.SIGTERM,
    rounds=40,
    seed=7,
    backlog=500,
    within_ms=1_000,
    instances=2,
    budget_ms=8_000,
)
FREEZING = replace(PLAN, fault=Fault.FREEZE_POSTGRES)


def test_the_same_plan_draws_the_same_rounds_and_another_seed_others() -> None:
    assert PLAN.draw() == PLAN.draw()
    assert PLAN.draw() != replace(PLAN, seed=8).draw()


def test_a_longer_drill_begins_like_a_shorter_one() -> None:
    assert replace(PLAN, rounds=50).draw()[:40] == PLAN.draw()


def test_the_fault_comes_within_the_bound_and_not_at_one_moment() -> None:
    moments = {each.fault_after_ms for each in PLAN.draw()}
    assert len(moments) == 40
    assert all(0 <= moment <= 1_000 for moment in moments)


def test_instances_take_turns_and_every_second_round_has_a_backlog() -> None:
    rounds = PLAN.draw()
    assert [each.instance for each in rounds[:4]] == [0, 1, 0, 1]
    assert [each.backlog for each in rounds[:4]] == [500, 0, 500, 0]


def test_only_a_freeze_waits_before_the_stop_request() -> None:
    assert {each.signal_after_ms for each in PLAN.draw()} == {0.0}
    assert all(0 < each.signal_after_ms <= FROZEN_BEFORE_STOP_MS_MAX for each in FREEZING.draw())


def test_every_second_pair_of_freezes_thaws_within_the_budget() -> None:
    thaws = [each.thaw_after_ms for each in FREEZING.draw()]
    assert [thaw is None for thaw in thaws] == [True, True, False, False] * 10
    assert all(thaw is None or 0 <= thaw <= 4_000 for thaw in thaws)
    assert all(each.thaw_after_ms is None for each in PLAN.draw())


def test_whether_a_round_thaws_does_not_hang_on_its_backlog() -> None:
    kinds = {(each.backlog > 0, each.thaw_after_ms is None) for each in FREEZING.draw()}
    assert len(kinds) == 4
