"""What the processor adds to a panic dump, and how `processor panic show` puts it into words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.crash.showing import (
    LAST_LOG_LINES,
    REMEDIES,
    VERSIONS,
    WHAT_HAPPENED,
    WHERE_THE_TASKS_STOOD,
    DumpPart,
    remedy_for,
    was_requested,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry._codec import DeviceStates, InFlightIds
    from telemetry.chassis.crash.showing import Sections

SECTIONS = ("statistics", "in_flight", "device_states", "ledger")
"""The processor's own sections, in their order in the dump. The ledger has classes of entries and counts."""

ENTRIES_MAX = 1_000
DEVICES_MAX = 100
# An entry's age is given in these steps: the codec knows which ids came before a moment, not when each came.
AGE_MS_STEPS = (600_000, 60_000, 10_000, 1_000, 100, 0)
ENTRIES_SHOWN = 10

ADVICE = """\
Restart it under the same name, {consumer}. Nothing is lost: what was in flight is pending in Redis, and is
read first by the next process of that name, or claimed by another instance.
What is pending: XPENDING {stream} {group} - + 10 {consumer}
{remedy}
If it crashes again at once and the dumps have ids in flight in common, look at these entries.
"""
OWN_REMEDIES = {
    "MemoryError": "Memory ran out: raise its limit, or lower DEVICE_STATE_LRU_CAP or WRITE_BATCH_SIZE.",
}


@dataclass(frozen=True, slots=True)
class InFlightSample:
    """Entries that were read and not decided."""

    entries: int
    oldest: Mapping[str, int]
    """Entry id to the least number of milliseconds that it was in flight; ENTRIES_MAX of them, the oldest first."""


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """The device states."""

    held: int
    evictions: int
    sample: Mapping[str, Mapping[str, float]]
    """Some of them, by device id, with the fields of DeviceState."""


def sample_in_flight(in_flight: InFlightIds, now_ms: int) -> InFlightSample:
    """What is in flight; `now_ms` is of the clock that the entries were taken with."""
    oldest: dict[str, int] = {}
    for age_ms in AGE_MS_STEPS:
        for entry_id in in_flight.in_flight_since(now_ms - age_ms):
            if len(oldest) == ENTRIES_MAX:
                break
            oldest.setdefault(entry_id, age_ms)
    return InFlightSample(len(in_flight), oldest)


def sample_devices(states: DeviceStates) -> DeviceSample:
    """The number of device states, and those that changed last."""
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


def versions() -> dict[str, str]:
    """The processor, and its way to PostgreSQL."""
    # Imported late: what shows a dump needs neither psycopg nor the code that makes one.
    from processor.edges.postgres.connection import libpq_version  # noqa: PLC0415
    from telemetry._codec import __version__  # noqa: PLC0415
    from telemetry.chassis.crash.document import package_versions  # noqa: PLC0415

    return {
        # Package and codec are built, and numbered, as one.
        "processor": __version__,
        "libpq": libpq_version(),
        **package_versions("psycopg", "psycopg-binary"),
    }


def _in_flight(sections: Sections) -> Iterator[str]:
    flying = sections["in_flight"]
    yield f"{flying['entries']} entries"
    oldest = list(flying["oldest"].items())
    for entry_id, age_ms in oldest[:ENTRIES_SHOWN]:
        yield f"{entry_id}  in flight for {age_ms} ms or more"
    if len(oldest) > ENTRIES_SHOWN:
        yield f"and more: --json has {len(oldest)} of them"


def _counts(sections: Sections) -> Iterator[str]:
    statistics = sections["statistics"]
    yield f"phase {statistics['phase']}, entries read {statistics['records_read']}, acks {statistics['acks']}"
    for name, state in statistics["dependencies"].items():
        yield f"{name}: {'ready' if state['ready'] else state['reason']}"
    yield f"ledger: {json.dumps(sections['ledger'])}"


def _what_to_do(sections: Sections) -> Iterator[str]:
    if was_requested(sections):
        yield "Nothing: an operator asked for this dump, and the service went on."
        return
    variables = sections["configuration"]
    text = ADVICE.format(
        stream=variables["REDIS_TELEMETRY_STREAM"],
        group=variables["REDIS_CONSUMER_GROUP"],
        consumer=variables["REDIS_CONSUMER_NAME"],
        remedy=remedy_for(sections, {**REMEDIES, **OWN_REMEDIES}),
    )
    yield from text.splitlines()


PARTS = (
    WHAT_HAPPENED,
    WHERE_THE_TASKS_STOOD,
    DumpPart("What was in flight", "in_flight", _in_flight),
    DumpPart("How the service stood", "statistics", _counts),
    DumpPart("What to do", "configuration", _what_to_do),
    LAST_LOG_LINES,
    VERSIONS,
)
"""The text of a dump, part by part."""
