"""The promise as one function: it returns everything in a simulation that breaks the promise."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from telemetry.chassis.exit_codes import ExitCode
from tests.simulation.ingestion.simulation import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.simulation.ingestion.device import Device
    from tests.simulation.ingestion.frames import Frame
    from tests.simulation.ingestion.life import Life
    from tests.simulation.ingestion.redis import Entry, Link
    from tests.simulation.ingestion.simulation import Simulation


def violations(simulation: Simulation) -> list[str]:
    """Everything that breaks the promise, one sentence each; callable at any moment of a run.

    What was answered is in the stream, record by record as it was sent; nothing is in the stream that no device sent.
    Over one connection to Redis each transmission of a frame is published once at most, in the order of sending. In a
    finished simulation every device got through. A life that ends by itself has answered what was confirmed.
    """
    found = list(simulation.wrongs)
    strangers = {each.fields.get("device_id") for each in _published(simulation)}
    for device in simulation.devices:
        found += _of_device(simulation, device)
        strangers.discard(device.imei)
    found += [f"an entry of {name}, which is no device" for name in strangers]
    for number, life in enumerate(simulation.lives, 1):
        found += [f"life {number} {what}" for what in _of_life(life, simulation.devices)]
    return found


def _published(simulation: Simulation) -> list[Entry]:
    return [each for each in simulation.redis.entries if each.stream == STREAM]


def _of_device(simulation: Simulation, device: Device) -> Iterator[str]:
    if simulation.is_finished and not device.is_content:
        left = len(device.frames) - len(device.answered)
        yield f"{device.imei} has {left} frames without an answer, and everybody has finished"
    origins = {
        _key(fields): (frame, place)
        for frame in device.transmissions
        for place, fields in enumerate(frame.entries(device.imei))
    }
    by_link: dict[Link, list[tuple[Frame, int]]] = {}
    for entry in _published(simulation):
        if entry.fields.get("device_id") != device.imei:
            continue
        if (origin := origins.get(_key(entry.fields))) is None:
            yield f"{device.imei} has not sent what is in the stream: {entry.fields}"
            return
        by_link.setdefault(entry.link, []).append(origin)
    published: Counter[Frame] = Counter()
    for records in by_link.values():
        runs = list(_runs(records))
        published.update(runs)
        if not _is_subsequence(runs, device.transmissions):
            yield f"the frames of {device.imei} are not published in the order of sending"
    sent = Counter(device.transmissions)
    if any(count > sent[frame] for frame, count in published.items()):
        yield f"a frame of {device.imei} was published more often than it was sent"


def _key(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(fields.items()))


def _runs(records: Sequence[tuple[Frame, int]]) -> Iterator[Frame]:
    """The frame of each stretch of records that are in wire order. Refused or lost ones may be missing."""
    before: tuple[Frame, int] | None = None
    for frame, place in records:
        if before is None or before[0] is not frame or place <= before[1]:
            yield frame
        before = frame, place


def _is_subsequence(runs: Sequence[Frame], transmissions: Sequence[Frame]) -> bool:
    rest = iter(transmissions)
    return all(any(frame is each for each in rest) for frame in runs)


def _of_life(life: Life, devices: Sequence[Device]) -> Iterator[str]:
    if life.crash is not None:
        yield f"crashed: {life.crash!r}"
    if life.code is None:
        return
    yield from _of_end(life)
    if life.insisted_at is None and life.code is ExitCode.CLEAN:
        for device in devices:
            if device.is_patient and device.heard[life] < life.confirmed[device.imei]:
                yield f"left a frame of {device.imei} unanswered, which was confirmed"


def _of_end(life: Life) -> Iterator[str]:
    if life.code not in {ExitCode.CLEAN, ExitCode.TIMED_OUT}:
        yield f"ended with {life.code!r}"
        return
    is_clean = life.code is ExitCode.CLEAN
    if life.has_left_something if is_clean else not life.may_have_left_something:
        yield (
            f"ended with {life.code!r}, {len(life.waiting)} frames waiting"
            f" and {life.dropped_in_drain} dropped"
        )
    assert life.asked_at is not None
    assert life.ended_at is not None
    drain_ms = round((life.ended_at - life.asked_at) * 1000)
    budget_ms = life.config.drain_budget_ms + life.config.drain_delay_ms
    if life.insisted_at is not None and not life.config.drain_delay_ms:
        late_ms = round((life.ended_at - life.insisted_at) * 1000)
        if late_ms > 0:
            yield f"ended {late_ms} ms after the second signal"
    elif not is_clean and life.drained_in_peace:
        yield "did not drain, and Redis answered"
    if drain_ms > budget_ms:
        yield f"drained for {drain_ms} ms, granted were {budget_ms}"
