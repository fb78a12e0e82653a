"""A simulated run replays, step by step, whatever Python does otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import Any

import trio
from trio._core import _run

from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import simulate
from tests.simulation.cuts import Cut
from tests.simulation.processor.life import SEAMS
from tests.simulation.processor.playing import play
from tests.simulation.processor.simulation import EdgeClasses

TRACED = Cut("redis-away")


class Trace(Checkpoints):
    """Writes down which task runs when."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        super().before_task_step(task)
        self.lines.append(f"{trio.current_time():.9f} {task.name}")


def trace(seed: int) -> list[str]:
    traced = Trace()
    simulate(
        partial(play, TRACED, traced, EdgeClasses()), seed=seed, instrument=traced, seams=SEAMS
    )
    return traced.lines


def test_the_same_seed_gives_the_same_steps_at_the_same_times() -> None:
    assert trace(1) == trace(1)


def test_another_seed_gives_other_steps() -> None:
    assert trace(1) != trace(2)


def test_another_process_takes_the_same_steps() -> None:
    program = f"from {__name__} import trace; print(*trace(1), sep='\\n')"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert printed == {"\n".join(trace(1)) + "\n"}


def test_trio_keeps_its_chance_where_it_is_seeded() -> None:
    private: Any = vars(_run)
    assert {"_r", "_ALLOW_DETERMINISTIC_SCHEDULING"} <= private.keys()
    assert {"seed", "shuffle"} <= set(dir(private["_r"]))
