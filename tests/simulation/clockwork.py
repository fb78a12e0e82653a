"""Runs a simulation so that it replays: virtual time, and every source of chance from one seed."""

from __future__ import annotations

import gc
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from unittest.mock import patch

import trio
from trio._core import _run
from trio.testing import MockClock

from telemetry.chassis import clocks
from tests.support.fakes.redis import NOON_US

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Result = TypeVar("Result")
Seam: TypeAlias = tuple[object, str, object]
"""A module or class, the name of something in it, and what stands there in a simulation."""


def unix_ms() -> int:
    """The time of day in a simulation: it begins at noon, and goes with the virtual clock."""
    return NOON_US // 1000 + round(trio.current_time() * 1000)


def simulate(
    play: Callable[[], Awaitable[Result]],
    *,
    seed: int,
    instrument: trio.abc.Instrument,
    seams: Iterable[Seam] = (),
) -> Result:
    """Run `play` to its end in virtual time; the same seed gives the same run, step by step."""
    random.seed(seed)
    # Trio shuffles its run queue with its own generator; with the switch below it sorts the queue first.
    _run._r.seed(seed)
    # A run is short, and garbage collection would take a fifth of its time.
    gc.disable()
    with ExitStack() as replaced:
        for module, name, stand_in in (
            (_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
            (clocks, "unix_ms", unix_ms),
            *seams,
        ):
            replaced.enter_context(patch.object(module, name, stand_in))
        try:
            return trio.run(play, clock=MockClock(autojump_threshold=0), instruments=[instrument])
        finally:
            gc.enable()
