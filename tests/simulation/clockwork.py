"""Runs a simulation so that it replays: virtual time, and every source of chance from one seed."""

from __future__ import annotations

import gc
import random
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

import trio
from trio._core import _run
from trio.testing import MockClock

from processor.service import supervisor
from telemetry.chassis import clocks
from tests.simulation.life import WatchedPipeline
from tests.support.fakes.redis import NOON_US

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")


def unix_ms() -> int:
    """The time of day in a simulation: it begins at noon, and goes with the virtual clock."""
    return NOON_US // 1000 + round(trio.current_time() * 1000)


def simulate(
    play: Callable[[], Awaitable[Result]], *, seed: int, instrument: trio.abc.Instrument
) -> Result:
    """Run `play` to its end in virtual time; the same seed gives the same run, step by step."""
    random.seed(seed)
    # Trio shuffles its run queue with its own generator; with the switch below it sorts the queue first.
    _run._r.seed(seed)
    # A run is short, and garbage collection would take a fifth of its time.
    gc.disable()
    with (
        patch.object(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", new=True),
        patch.object(clocks, "unix_ms", unix_ms),
        patch.object(supervisor, "Pipeline", WatchedPipeline),
    ):
        try:
            return trio.run(play, clock=MockClock(autojump_threshold=0), instruments=[instrument])
        finally:
            gc.enable()
