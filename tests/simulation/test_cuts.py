"""A life may be cut anywhere. `make sim` cuts at every checkpoint; here a sample is enough."""

from __future__ import annotations

import shlex
from itertools import islice

import pytest

from tests.simulation.__main__ import main, report
from tests.simulation.cuts import Cut, Kind, Outcome, cuts_of, run
from tests.simulation.services import SCENARIOS, SERVICES

# One cut of so many. No multiple of the number of kinds, so that each kind is used.
STRIDES = {"processor": 4, "ingestion": 13}
assert all(stride % len(Kind) for stride in STRIDES.values())
STRIDE_OF = {
    scenario: STRIDES[name] for name, service in SERVICES.items() for scenario in service.scenarios
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_life_that_is_cut_anywhere_keeps_the_promise(scenario: str) -> None:
    broken = {}
    for cut in islice(cuts_of(scenario), 0, None, STRIDE_OF[scenario]):
        if found := run(cut).violations:
            broken[cut.command] = found
    assert not broken


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_checkpoints_up_to_a_clean_end(scenario: str) -> None:
    outcome = run(Cut(scenario))
    assert not outcome.violations
    assert outcome.checkpoints > 50


def test_the_command_repeats_a_cut(capsys: pytest.CaptureFixture[str]) -> None:
    cut = Cut("backlog", Kind.CRASH_LATE, 40, seed=3)
    make, target, variable = shlex.split(cut.command)
    assert (make, target) == ("make", "sim")
    assert main(variable.removeprefix("ARGS=").split()) == 0
    outcome = run(cut)
    assert capsys.readouterr().out == f"{outcome.checkpoints} checkpoints, kept the promise\n"


def test_a_cut_that_breaks_the_promise_is_printed_with_its_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = Cut("backlog", Kind.STOP, 40)
    assert report(Outcome(cut, 100, ("1-0 is lost",))) == 1
    printed = capsys.readouterr().out
    assert printed == f"VIOLATION 1-0 is lost\n  reproduce: {cut.command}\n"


def test_a_run_over_all_cuts_ends_in_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenario", "idle", "--jobs", "1", "--seeds", "1"]) == 0
    checkpoints = run(Cut("idle")).checkpoints
    figures = f"checkpoints={checkpoints} cuts={checkpoints * len(Kind)} violations=0"
    assert capsys.readouterr().out.splitlines()[-1] == f"scenarios=1 {figures}"
