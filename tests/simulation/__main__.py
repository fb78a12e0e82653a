"""Cuts every scenario at every checkpoint, on all processors; exits 1 if the promise was ever broken."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from typing import TYPE_CHECKING

from tests.simulation.cuts import Cut, Kind, Outcome, cuts_of, run
from tests.simulation.services import SCENARIOS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.pool import Pool

# Cuts given to a process at once: enough to hide that cost, few enough that all processes finish together.
CUTS_AT_ONCE = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cuts that the command line asks for. Returns the exit code."""
    options = _parser().parse_args(arguments)
    names: list[str] = options.scenario or list(
        SCENARIOS if options.service is None else SERVICES[options.service].scenarios
    )
    if options.cut is None:
        return _run_all(names, range(options.seed, options.seed + options.seeds), options.jobs)
    kind, _, checkpoint = options.cut.partition("@")
    outcome = run(Cut(names[0], Kind(kind), int(checkpoint), options.seed))
    if not outcome.violations:
        print(f"{outcome.checkpoints} checkpoints, kept the promise")
    return report(outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--service", choices=SERVICES, help="the scenarios of one service")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="repeatable")
    parser.add_argument("--cut", metavar="KIND@CHECKPOINT", help="one cut of one scenario")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is left to chance")
    parser.add_argument("--seeds", type=int, default=2, help="how many, from that one on")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    return parser


def _run_all(names: Sequence[str], seeds: Sequence[int], jobs: int) -> int:
    began = time.monotonic()
    cuts = broken = 0
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for name in names:
            planned = [cut for seed in seeds for cut in cuts_of(name, seed)]
            broken += _run_scenario(name, planned, pool)
            cuts += len(planned)
    print(f"{cuts / (time.monotonic() - began):.0f} cuts a second, {len(seeds)} seeds")
    checkpoints = cuts // len(Kind)
    print(f"scenarios={len(names)} checkpoints={checkpoints} cuts={cuts} violations={broken}")
    return 1 if broken else 0


def _run_scenario(name: str, cuts: list[Cut], pool: Pool) -> int:
    """The number of cuts that break the promise; each is printed at once."""
    broken = sum(report(outcome) for outcome in pool.imap(run, cuts, chunksize=CUTS_AT_ONCE))
    print(f"{name}: {len(cuts) // len(Kind)} checkpoints, {broken} cuts broke the promise")
    return broken


def report(outcome: Outcome) -> int:
    """Print the violations of an outcome, and the command that repeats it. Returns 1 if there are any, else 0."""
    for violation in outcome.violations:
        print(f"VIOLATION {violation}")
    if outcome.violations:
        print(f"  reproduce: {outcome.cut.command}", flush=True)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
