"""Puts a simulation together: the server's address, the devices with their frames, and the signals that stop it."""

from __future__ import annotations

import signal
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from ingestion.simulating.device import Device, Dialler
from ingestion.simulating.frames import GeneratedFrames, RecordedFrames
from ingestion.simulating.link import resolve
from ingestion.simulating.report import Summary
from ingestion.simulating.simulation import Simulation
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.simulating.frames import FrameSource, Recording
    from ingestion.simulating.plan import SimulationPlan
    from ingestion.simulating.tally import Tally

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_CONNECTING_MAX: Final = 128


class Server(NamedTuple):
    """Where the devices connect to."""

    host: str
    port: int


async def simulate(
    plan: SimulationPlan,
    recording: Recording | None,
    server: Server,
    tally: Tally,
    show: Callable[[int], None],
) -> Summary:
    """Play all devices until the end. `show` gets the number of answered frames, now and then. Raises EdgeError."""
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        address = await resolve(*server)
        devices = [_device(number, plan, recording, tally) for number in range(plan.devices)]
        simulation = Simulation(devices, plan, tally, show)
        dialler = Dialler(address, at_once_max=_CONNECTING_MAX, within_s=plan.response_timeout_s)
        ending = await simulation.run(dialler, address.where, signals)
    return Summary(plan.devices, tally, ending)


def _device(number: int, plan: SimulationPlan, recording: Recording | None, tally: Tally) -> Device:
    random = Random(number)  # noqa: S311 - a device does the same in each run
    frames: FrameSource
    if recording is None:
        frames = GeneratedFrames(number, random, clocks.unix_ms)
    else:
        rounds = None if plan.seconds is not None else 1
        frames = RecordedFrames(recording.frames, number, rounds=rounds)
    return Device(number, frames, plan, tally, random)
