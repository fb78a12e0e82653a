"""The black box: whoever owns a piece of the service's state says here how to ask for it in a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telemetry.chassis.crash.plain import Clean, plain
from telemetry.chassis.crash.scene import Scene
from telemetry.chassis.crash.task_tree import task_tree

if TYPE_CHECKING:
    from processor.journal.statistics import Statistics
    from telemetry._codec import DeviceStates, InFlightIds

ENTRIES_MAX = 1_000
DEVICES_MAX = 100
# An entry's age is told in these steps: the codec tells who came before a moment, not when each came.
HELD_MS_STEPS = (600_000, 60_000, 10_000, 1_000, 100, 0)


@dataclass(frozen=True, slots=True)
class InFlightSample:
    """Entries that were read and not decided."""

    entries: int
    oldest: Mapping[str, int]
    """Entry id to the milliseconds that it was held at least; ENTRIES_MAX of them, the longest held first."""


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """The device states."""

    held: int
    evictions: int
    sample: Mapping[str, Mapping[str, float]]
    """Some of them, by device id, with the fields of DeviceState."""


@dataclass(kw_only=True, slots=True)
class BlackBox:
    """Each field is a section of the dump: called once, on the event loop's thread, when the first error is seen.

    A provider must not wait. If it raises, its section says so and the others stand.
    """

    statistics: Callable[[], Statistics] | None = None
    in_flight: Callable[[], InFlightSample] | None = None
    device_states: Callable[[], DeviceSample] | None = None
    ledger: Callable[[], object] | None = None
    """Classes of entries to counts, as the final log line has them."""

    def scene(self, failed_task: str) -> Scene:
        """How everything stands now, inside of the run."""
        return Scene(datetime.now(UTC), failed_task, task_tree(), self._sections())

    def late_scene(self) -> Scene:
        """What can still be said when all tasks have ended."""
        return Scene(datetime.now(UTC), None, (), self._sections())

    def _sections(self) -> dict[str, object]:
        return {each.name: section(getattr(self, each.name)) for each in fields(self)}


def section(provider: Callable[[], object] | None, clean: Clean = str) -> object:
    """What the provider says, as plain values with clean texts, or why it says nothing."""
    if provider is None:
        return {"unavailable": "the service had not come that far"}
    try:
        return plain(provider(), clean)
    except Exception as fault:  # noqa: BLE001  # a fault in reporting must not hide what is reported
        return {"unavailable": clean(f"{type(fault).__name__}: {fault}")}


def sample_in_flight(in_flight: InFlightIds, now_ms: int) -> InFlightSample:
    """What is in flight; `now_ms` is of the clock that the entries were taken with."""
    oldest: dict[str, int] = {}
    for held_ms in HELD_MS_STEPS:
        for entry_id in in_flight.held_since(now_ms - held_ms):
            if len(oldest) == ENTRIES_MAX:
                break
            oldest.setdefault(entry_id, held_ms)
    return InFlightSample(len(in_flight), oldest)


def sample_devices(states: DeviceStates) -> DeviceSample:
    """How many there are, and the states of those that were heard of last."""
    sample: dict[str, dict[str, float]] = {}
    for device_id in states.recent(DEVICES_MAX):
        state = states.get(device_id)
        if state is not None:
            sample[device_id] = {
                "newest_ts_us": state.newest_ts_us,
                "latitude": state.latitude,
                "longitude": state.longitude,
                "last_seen_ms": state.last_seen_ms,
                "session_records": state.session_records,
            }
    return DeviceSample(len(states), states.evictions, sample)
