"""The rings: what ends before what, in which time, and that a crash in any of them ends all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trio

from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.rings import RELEASE_GRACE_MS, RELEASE_INSISTED_MS, run_rings
from telemetry.chassis.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

BUDGET_MS = 4_000
STOP_AT_S = 10.0

RINGS = ("services", "guards", "stages", "intake")


@dataclass
class Work:
    """A service whose work, intake and release take as long as a test wants."""

    intake_lasts_s: float = 0.0
    """After it was cancelled, as for a delivery that is on its way."""
    stages_last_s: float = 0.0
    """After the intake has ended."""
    cut_lasts_s: float = 0.0
    """What a cut stage needs to unwind."""
    release_lasts_s: float = 0.0
    reserved_ms: float = 0.0
    starts: bool = True
    crashes_in: str | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    said: list[str] = field(default_factory=list)
    at_s: dict[str, float] = field(default_factory=dict)
    steps_ms: dict[str, float] = field(default_factory=dict)

    def say(self, what: str) -> None:
        self.said.append(what)
        self.at_s[what] = trio.current_time() - STOP_AT_S

    async def live(self, *stops_at_s: float) -> None:
        """Run with stop requests at these times, after STOP_AT_S."""
        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, stops_at_s)
                await run_rings(self, self.stop, drain_budget_ms=BUDGET_MS)
                nursery.cancel_scope.cancel()

    async def _send(self, stops_at_s: tuple[float, ...]) -> None:
        for after_s in stops_at_s:
            await trio.sleep_until(STOP_AT_S + after_s)
            self.stop.receive("SIGTERM")

    async def start(self, services: trio.Nursery) -> bool:
        services.start_soon(self._task, "services")
        await trio.lowlevel.checkpoint()
        return self.starts

    def start_guards(self, guards: trio.Nursery) -> None:
        guards.start_soon(self._task, "guards")

    def start_stages(self, stages: trio.Nursery) -> None:
        self._fed = trio.Event()
        stages.start_soon(self._stage)

    def start_intake(self, intake: trio.Nursery) -> None:
        intake.start_soon(self._task, "intake", self.intake_lasts_s)

    async def _task(self, ring: str, lasts_s: float = 0.0) -> None:
        try:
            await self._crash(ring)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(lasts_s)
            self.say(f"{ring} end")

    async def _stage(self) -> None:
        try:
            await self._crash("stages")
            await self._fed.wait()
            await trio.sleep(self.stages_last_s)
            self.say("stages run dry")
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.cut_lasts_s)
            self.say("stages end")

    async def _crash(self, place: str) -> None:
        if self.crashes_in == place:
            await trio.sleep(1)
            raise ZeroDivisionError(place)

    def enter(self, phase: Phase) -> None:
        self.say(phase.value)

    def close_intake(self) -> None:
        self.say("intake is closed")
        self._fed.set()

    def abandon_stages(self) -> None:
        self.say("stages are cut")

    def reserve_ms(self) -> float:
        return self.reserved_ms

    async def release(self) -> None:
        self.say("release")
        if self.crashes_in == "release":
            raise ZeroDivisionError("release")
        await trio.sleep(self.release_lasts_s)
        self.say("released")

    def release_cut(self) -> None:
        self.say("release is cut")

    def finish(self, steps_ms: dict[str, float]) -> None:
        self.say("finish")
        self.steps_ms = steps_ms
        if self.crashes_in == "finish":
            raise ZeroDivisionError("finish")


async def test_the_inner_ring_ends_first_and_the_services_last(autojump_clock: MockClock) -> None:
    work = Work(intake_lasts_s=0.5, stages_last_s=1, release_lasts_s=0.25)
    await work.live(0)
    assert [said for said in work.said if "release" not in said] == [
        "running",
        "draining",
        "intake end",
        "intake is closed",
        "stages run dry",
        "stages end",
        "guards end",
        "finish",
        "services end",
    ]
    assert [said for said in work.said if not said.endswith(" end")][-4:] == [
        "stages run dry",
        "release",
        "released",
        "finish",
    ]
    assert work.steps_ms == {"intake": 500.0, "stages": 1_000.0, "release": 250.0}


async def test_a_start_that_does_not_succeed_runs_nothing_and_releases_nothing(
    autojump_clock: MockClock,
) -> None:
    work = Work(starts=False)
    await work.live()
    assert work.said == ["services end"]


async def test_stages_that_do_not_run_dry_are_cut_when_the_budget_is_over(
    autojump_clock: MockClock,
) -> None:
    work = Work(stages_last_s=60)
    await work.live(0)
    assert "stages run dry" not in work.said
    assert work.at_s["stages are cut"] == pytest.approx(BUDGET_MS / 1000)
    assert work.at_s["finish"] == pytest.approx(BUDGET_MS / 1000)


async def test_they_are_cut_the_earlier_the_more_time_the_release_needs(
    autojump_clock: MockClock,
) -> None:
    work = Work(stages_last_s=60, reserved_ms=1_500)
    await work.live(0)
    assert work.at_s["stages are cut"] == pytest.approx(2.5)


async def test_the_reserve_is_asked_for_again_when_it_may_be_used_up(
    autojump_clock: MockClock,
) -> None:
    work = Work(stages_last_s=60, reserved_ms=1_500)

    async def decide_most_of_it() -> None:
        await trio.sleep_until(STOP_AT_S + 2)
        work.reserved_ms = 500

    async with trio.open_nursery() as nursery:
        nursery.start_soon(decide_most_of_it)
        await work.live(0)
    assert work.at_s["stages are cut"] == pytest.approx(3.5)


async def test_the_release_does_not_wait_for_a_cut_stage_but_the_end_does(
    autojump_clock: MockClock,
) -> None:
    work = Work(stages_last_s=60, cut_lasts_s=2, release_lasts_s=0.25)
    await work.live(0)
    assert work.at_s["released"] == pytest.approx(4.25)
    assert work.at_s["guards end"] == pytest.approx(4)
    assert work.at_s["stages end"] == work.at_s["finish"] == pytest.approx(6)


async def test_the_release_waits_for_an_intake_that_has_work_on_its_way(
    autojump_clock: MockClock,
) -> None:
    work = Work(intake_lasts_s=4.5)
    await work.live(0)
    assert work.at_s["stages are cut"] == work.at_s["stages end"] == pytest.approx(4)
    assert work.at_s["release"] == work.at_s["intake is closed"] == pytest.approx(4.5)


async def test_the_guards_stand_until_the_stages_have_run_dry(autojump_clock: MockClock) -> None:
    work = Work(stages_last_s=3)
    await work.live(0)
    assert work.at_s["guards end"] == work.at_s["stages end"] == pytest.approx(3)


async def test_a_release_that_hangs_is_cut_at_the_end_of_the_grace(
    autojump_clock: MockClock,
) -> None:
    work = Work(release_lasts_s=60)
    await work.live(0)
    assert work.said[-3:] == ["release is cut", "finish", "services end"]
    assert work.at_s["finish"] == pytest.approx((BUDGET_MS + RELEASE_GRACE_MS) / 1000)


async def test_a_second_request_cuts_the_stages_at_once_and_the_release_soon(
    autojump_clock: MockClock,
) -> None:
    work = Work(stages_last_s=60, release_lasts_s=60)
    await work.live(0, 1)
    assert work.at_s["stages are cut"] == pytest.approx(1)
    assert work.at_s["release is cut"] == pytest.approx(1 + RELEASE_INSISTED_MS / 1000)


async def test_a_second_request_does_not_lengthen_the_release(autojump_clock: MockClock) -> None:
    work = Work(release_lasts_s=60)
    await work.live(0, (BUDGET_MS + RELEASE_GRACE_MS) / 1000 - 0.1)
    assert work.at_s["release is cut"] == pytest.approx((BUDGET_MS + RELEASE_GRACE_MS) / 1000)


@pytest.mark.parametrize("place", [*RINGS, "release", "finish"])
async def test_a_crash_anywhere_unwinds_all_rings_and_comes_out(
    autojump_clock: MockClock, place: str
) -> None:
    work = Work(crashes_in=place)
    with pytest.raises(BaseExceptionGroup) as caught:
        await work.live(0)
    assert caught.group_contains(ZeroDivisionError, match=place)
    assert {f"{ring} end" for ring in RINGS} <= set(work.said)
    if place in RINGS:
        assert "release" not in work.said
        assert trio.current_time() < STOP_AT_S


@pytest.mark.parametrize("hook", ["start_guards", "start_stages", "start_intake", "enter"])
async def test_a_mistake_at_a_turn_unwinds_all_rings_that_stand(
    autojump_clock: MockClock, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError(hook)

    work: Any = Work()
    monkeypatch.setattr(work, hook, fail)
    failing: Callable[..., Any] = work.live
    with pytest.raises(BaseExceptionGroup) as caught:
        await failing()
    assert caught.group_contains(ZeroDivisionError, match=hook)
    assert trio.current_time() < STOP_AT_S
