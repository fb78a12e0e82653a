"""For each guarantee: an edge or a part that breaks it, and a cut in which the promise notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.in_flight import InFlight
from processor.core.write_errors import FailureKind, NextStep, next_step
from processor.service import pipeline
from processor.service.pipeline import Pipeline
from processor.settling.release import Release
from processor.writing import diagnosis
from processor.writing.committing import Committing
from telemetry.chassis.rings import Drain
from telemetry.chassis.stopping import StopRequest
from tests.simulation.cuts import Cut, Kind, cuts_of, run
from tests.simulation.processor.broken_edges import (
    BlamingStore,
    CancellingStore,
    CarelessStore,
    DroppingStore,
    ForgettingStream,
    HastyStream,
    ImpatientStream,
    KeepingStream,
    MistakenStream,
    MutilatingStream,
    StrandingStream,
    TwoStepStream,
    UnfencedStore,
    acknowledge_before_commit,
    receipt_at_sight,
    settled_already,
)
from tests.simulation.processor.simulation import EdgeClasses

if TYPE_CHECKING:
    from processor.core.write_errors import Case
    from telemetry._codec import Batch
    from tests.support.fakes.stream import FakeStream

# Faults that show at many checkpoints are looked for at every n-th only.
STRIDE = 7


def noticed(scenario: str, kind: Kind, edges: EdgeClasses | None = None, *, stride: int = 1) -> str:
    """The violations of the first cut that breaks the promise; empty if none does."""
    cuts = [cut for cut in cuts_of(scenario) if cut.kind is kind]
    # Late checkpoints first: at early ones little has happened.
    outcomes = (run(cut, edges) for cut in cuts[::-stride])
    return next((str(each.violations) for each in outcomes if each.violations), "")


@pytest.mark.parametrize(
    ("edges", "scenario", "kind", "violation"),
    [
        (EdgeClasses(store=DroppingStore), "backlog", Kind.STOP, "acknowledged and is nowhere"),
        (EdgeClasses(store=CarelessStore), "duplicates", Kind.STOP, "was written twice"),
        (
            EdgeClasses(stream=ForgettingStream),
            "backlog",
            Kind.CRASH,
            "acknowledged and is nowhere",
        ),
        (EdgeClasses(stream=TwoStepStream), "poison", Kind.CRASH, "has 2 dead letters"),
        (EdgeClasses(store=UnfencedStore), "promotion", Kind.CRASH, "confirmed by no standby"),
        (
            EdgeClasses(store=CancellingStore),
            "standby-away",
            Kind.CRASH,
            "confirmed by no standby",
        ),
        (
            EdgeClasses(store=BlamingStore),
            "table-refuses-all",
            Kind.CRASH,
            "failures of sound entries",
        ),
    ],
    ids=lambda value: getattr(value, "value", None),
)
def test_a_broken_edge_is_noticed(
    edges: EdgeClasses, scenario: str, kind: Kind, violation: str
) -> None:
    assert violation in noticed(scenario, kind, edges)


def test_an_acknowledgement_before_the_commit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Committing, "_commit", acknowledge_before_commit)
    monkeypatch.setattr(Committing, "_settle", settled_already)
    assert "acknowledged and is nowhere" in noticed("postgres-slow", Kind.STOP)


def test_an_acknowledgement_of_what_was_merely_seen_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Committing, "run", receipt_at_sight)
    assert "confirmed by no standby" in noticed("promotion", Kind.CRASH, stride=3)


def test_a_part_that_is_blamed_without_a_canary_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def suspect(case: Case) -> NextStep:
        # Three lost sessions count against the row, whatever the server does with others meanwhile.
        if case.kind is FailureKind.NO_ANSWER:
            return NextStep.REFUSE if case.is_alone else NextStep.SPLIT
        return next_step(case)

    monkeypatch.setattr(diagnosis, "next_step", suspect)
    assert "failures of sound entries" in noticed("promotion", Kind.CRASH)


def test_a_drain_without_a_deadline_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_in_time = Drain.begin

    def begin(self: Drain) -> None:
        begin_in_time(self)
        self._ends_at = float("inf")

    monkeypatch.setattr(Drain, "begin", begin)
    assert "granted were 2000" in noticed("postgres-frozen", Kind.STOP, stride=STRIDE)


def test_a_drain_that_gives_up_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_in_time = Drain.begin

    def begin(self: Drain) -> None:
        begin_in_time(self)
        self._ends_at -= 0.001

    monkeypatch.setattr(Drain, "begin", begin)
    assert "gave up after 1999" in noticed("postgres-frozen", Kind.STOP, stride=STRIDE)


def test_a_drain_that_waits_for_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "close_intake", lambda *_: None)
    assert "did not drain" in str(run(Cut("idle")).violations)


def test_what_a_broken_edge_keeps_from_us_is_released_all_the_same() -> None:
    assert noticed("busy", Kind.STOP, EdgeClasses(stream=StrandingStream)) == ""


def test_a_release_that_is_skipped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def release_nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(Release, "_release", release_nothing)
    assert "stranded" in noticed("postgres-frozen", Kind.STOP, stride=STRIDE)


def test_a_second_signal_that_is_not_heard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: StopRequest, signal_name: str) -> None:
        self.signal_name = signal_name
        self.requested.set()

    monkeypatch.setattr(StopRequest, "receive", receive)
    assert "after the second signal" in noticed("second-signal", Kind.STOP, stride=STRIDE)


def test_an_entry_that_the_ledger_forgets_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def acked(self: InFlight, batch: Batch) -> None:
        self.ids.settle(batch)

    monkeypatch.setattr(InFlight, "acked", acked)
    assert "does not balance" in noticed("backlog", Kind.STOP)


def test_an_outage_that_counts_against_the_records_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blame(case: Case) -> NextStep:
        return NextStep.REFUSE if case.is_alone else NextStep.SPLIT

    monkeypatch.setattr(diagnosis, "next_step", blame)
    assert "failures of sound entries" in noticed("postgres-away", Kind.CRASH, stride=STRIDE)


def test_a_part_of_an_acknowledgement_that_is_forgotten_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def acked_whole(self: InFlight, batch: Batch, _: int) -> None:
        self.acked(batch)

    monkeypatch.setattr(InFlight, "acked_first", acked_whole)
    assert "were acknowledged" in str(run(Cut("redis-slow-link")).violations)


def test_leases_that_nobody_renews_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def renew_nothing(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(pipeline, "renew_leases", renew_nothing)
    # Either may claim first; if it is the one that has the entries in flight, nothing breaks.
    cuts = [Cut("postgres-frozen-beside-a-peer", seed=seed) for seed in range(4)]
    assert "claimed what" in str([run(cut).violations for cut in cuts])


@pytest.mark.parametrize(
    ("stream", "scenario", "violation"),
    [
        (KeepingStream, "suspects", "is remembered, and everybody has finished"),
        (MutilatingStream, "poison", "does not hold its fields"),
        (MistakenStream, "poison", "a dead letter for the wrong reason"),
        (HastyStream, "ids-without-a-time", "failures of sound entries"),
        (ImpatientStream, "idle", "crashed: ExceptionGroup"),
    ],
)
def test_a_broken_stream_is_noticed_without_any_cut(
    stream: type[FakeStream], scenario: str, violation: str
) -> None:
    assert violation in str(run(Cut(scenario), EdgeClasses(stream=stream)).violations)
