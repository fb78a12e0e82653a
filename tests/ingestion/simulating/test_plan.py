from __future__ import annotations

import math

from ingestion.simulating.plan import SimulationPlan


def test_devices_take_turns_at_the_rate_of_all_together() -> None:
    plan = SimulationPlan(devices=4, rate=10)
    due = sorted(
        each
        for device in range(4)
        for number in range(5)
        if (each := plan.due_s(device, number)) is not None
    )
    assert due == [turn / 10 for turn in range(20)]


def test_without_a_rate_a_frame_is_due_when_it_can_be_sent() -> None:
    assert SimulationPlan(devices=4).due_s(3, 7) is None


def test_behind_the_end_nothing_is_due() -> None:
    plan = SimulationPlan(devices=1, rate=10, seconds=0.5)
    assert [plan.due_s(0, number) for number in (4, 5, 6)] == [0.4, math.inf, math.inf]
