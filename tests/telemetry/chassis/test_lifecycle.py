"""The phases of a process's life."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.lifecycle import FOLLOWERS, READY_PHASES, IllegalMoveError, Lifecycle, Phase

LEGAL = {
    (Phase.STARTING, Phase.RUNNING),
    (Phase.STARTING, Phase.STOPPED),
    (Phase.RUNNING, Phase.LEAVING),
    (Phase.RUNNING, Phase.DRAINING),
    (Phase.RUNNING, Phase.STOPPED),
    (Phase.LEAVING, Phase.DRAINING),
    (Phase.LEAVING, Phase.STOPPED),
    (Phase.DRAINING, Phase.STOPPED),
}
ROUTES = {
    Phase.STARTING: (),
    Phase.RUNNING: (Phase.RUNNING,),
    Phase.LEAVING: (Phase.RUNNING, Phase.LEAVING),
    Phase.DRAINING: (Phase.RUNNING, Phase.DRAINING),
    Phase.STOPPED: (Phase.STOPPED,),
}


def in_phase(phase: Phase) -> Lifecycle:
    lifecycle = Lifecycle()
    for step in ROUTES[phase]:
        lifecycle.move(step)
    return lifecycle


@pytest.mark.parametrize(("start", "to"), list(itertools.product(Phase, Phase)))
def test_a_move_is_made_or_it_raises_and_changes_nothing(start: Phase, to: Phase) -> None:
    lifecycle = in_phase(start)
    if (start, to) in LEGAL:
        lifecycle.move(to)
        assert lifecycle.phase is to
    else:
        with pytest.raises(IllegalMoveError, match=f"{to.name} does not follow {start.name}"):
            lifecycle.move(to)
        assert lifecycle.phase is start


@given(st.lists(st.sampled_from(Phase)))
def test_no_sequence_of_moves_leads_back(moves: list[Phase]) -> None:
    order = list(Phase)
    lifecycle = Lifecycle()
    for to in moves:
        before = order.index(lifecycle.phase)
        try:
            lifecycle.move(to)
        except IllegalMoveError:
            assert order.index(lifecycle.phase) == before
        else:
            assert order.index(lifecycle.phase) > before


def test_the_table_knows_every_phase() -> None:
    assert set(FOLLOWERS) == set(Phase)


def test_only_a_running_process_is_ready() -> None:
    assert frozenset({Phase.RUNNING}) == READY_PHASES
