"""Plays a scenario whole, or cut at one checkpoint: by a stop request, or by one of two kinds of crash."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import simulate
from tests.simulation.services import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.checkpoints import Life


class Kind(Enum):
    """The event at a checkpoint."""

    STOP = "stop"
    """SIGTERM; it is the second one if the scenario has already sent one."""
    CRASH = "crash"
    """The end of the process; its calls that are under way are lost."""
    CRASH_LATE = "crash-late"
    """The end of the process; its calls that are under way still take effect."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One run of a scenario. Checkpoints count from 1; a run that is cut at 0 is a whole one."""

    scenario: str
    kind: Kind = Kind.STOP
    checkpoint: int = 0
    seed: int = 0

    def strike(self, life: Life) -> None:
        """Do to the life what this cut does."""
        if self.kind is Kind.STOP:
            life.stop()
        else:
            life.kill(arrives=self.kind is Kind.CRASH_LATE)

    @property
    def is_restarted(self) -> bool:
        """Whether the instance that finishes the rest is a restart under the same name; else it is a peer.

        By turns: two seeds in a row try both at each checkpoint.
        """
        return bool((self.checkpoint + self.seed) % 2)

    @property
    def command(self) -> str:
        """The command that repeats it."""
        cut = f"{self.kind.value}@{self.checkpoint}"
        return f'make sim ARGS="--scenario {self.scenario} --cut {cut} --seed {self.seed}"'


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    cut: Cut
    checkpoints: int
    """The checkpoints of the life that is cut, up to its end."""
    violations: tuple[str, ...]


def run(cut: Cut, edges: object = None) -> Outcome:
    """Play one run, and have survivors finish it. `edges`: instead of the service's own fakes."""
    service = SCENARIOS[cut.scenario]
    checkpoints = Checkpoints()
    checkpoints.strike_at(cut.checkpoint, cut.strike)
    play = partial(service.play, cut, checkpoints, edges)
    found = simulate(play, seed=cut.seed, instrument=checkpoints, seams=service.seams)
    if checkpoints.fault is not None:
        raise checkpoints.fault
    return Outcome(cut, checkpoints.passed, tuple(found))


def cuts_of(scenario: str, seed: int = 0) -> Iterator[Cut]:
    """Every cut of a scenario, after a pass that counts its checkpoints."""
    whole = run(Cut(scenario, seed=seed))
    for checkpoint in range(1, whole.checkpoints + 1):
        for kind in Kind:
            yield Cut(scenario, kind, checkpoint, seed)
