"""A processor that crashes for real: `processor run` with a supervisor that fails in a given manner.

Run as a program: `python -m tests.support.crashing MANNER`. The service itself has no switch for any of this.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import trio
import trio.testing

from processor.cli import main
from processor.config import load_config
from processor.journal.journal import Journal
from processor.service import process as service
from processor.service.crash_sections import sample_devices, sample_in_flight
from telemetry._codec import DeviceStates, InFlightIds
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.exit_codes import ExitCode

ENTRY_IDS = ("1777627800000-0", "1777627800000-1")


class PanicException(BaseException):
    """As pyo3's, no Exception."""


async def write_forever() -> None:
    """Stands for a task that does its work while another one crashes."""
    await trio.sleep_forever()


async def crash(manner: str) -> None:
    """Fail once the others stand."""
    await trio.testing.wait_all_tasks_blocked()
    if manner == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if manner == "panic":
        raise PanicException("index out of bounds: the len is 3 but the index is 5")
    if manner == "leak":
        config = load_config(os.environ)
        raise ValueError(f"invalid dsn {config.postgres_url.conninfo} {config.redis_url.password}")
    raise ZeroDivisionError(manner)


async def fail_as_well() -> None:
    """Fail while being cancelled."""
    try:
        await trio.sleep_forever()
    finally:
        raise KeyError("on the way out")


def failing_supervisor(manner: str) -> Callable[..., Any]:
    """A supervisor that has three tasks, two entries in flight, and a crash."""

    async def supervise(
        _options: object,
        _edges: object,
        _signals: AsyncIterator[int],
        journal: Journal,
        *,
        black_box: BlackBox,
        **_: object,
    ) -> ExitCode:
        ids, states = InFlightIds(), DeviceStates(10)
        ids.take_ids(ENTRY_IDS, 0)
        black_box.register(
            statistics=journal.snapshot,
            in_flight=lambda: sample_in_flight(ids, 5_000),
            device_states=lambda: sample_devices(states),
            ledger=lambda: {"read": 2, "left_pending": 2},
        )
        journal.service_ready(metrics="")
        async with trio.open_nursery() as stages:
            stages.start_soon(write_forever)
            if manner == "group":
                stages.start_soon(fail_as_well)
            async with trio.open_nursery() as intake:
                intake.start_soon(crash, manner)
        raise AssertionError("unreachable: the crash comes out of its nursery")

    return supervise


if __name__ == "__main__":
    manner = sys.argv[1]
    if manner == "full":
        # Every write to a file fails with EFBIG, as on a disk without room.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    vars(service)["supervise"] = failing_supervisor(manner)
    sys.exit(main(["run"]))
