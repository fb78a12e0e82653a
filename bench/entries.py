"""The stream entries that are measured: a captured drive, and generated fleets that are the same each time."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import orjson

from bench.ages import live
from telemetry.stream.capture import Accepted, Capture
from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from bench.ages import Ages

CAPTURE = Path(__file__).parents[1] / "tests/captures/drive-codec8.hex"
CAPTURE_DEVICE_ID = "356307042441013"

FLEET_SEED = 2026

JsonValue: TypeAlias = int | dict[str, str]

BIGINT_IDS = frozenset({78, 207})
BUFFER_IDS = frozenset({385})
BUFFER_BYTES = 24


@dataclass(frozen=True)
class Fleet:
    """The fleet's records: the codec's label and the largest value of each IO element, ids ascending."""

    codec: str
    largest_values: dict[int, int]


# The usual elements of a tracker: ignition, GSM, battery, odometer and the like.
_USUAL = {
    1: 1, 16: 999_999_999,17: 65_535, 21: 5, 24: 130, 66: 14_500, 67: 4_200, 68: 100, 69: 1, 78: 2**64 - 1,
    80: 5, 113: 100, 181: 30, 182: 30, 199: 50_000, 200: 4, 205: 65_535, 206: 65_535, 239: 1,
    240: 1, 241: 99_999,
}  # fmt: skip

# 8 sends numbers and 64-bit values; payloads of 430 bytes.
USUAL_FLEET = Fleet("8", _USUAL)
# 8 Extended adds buffers of variable length; attributes of 330 bytes.
WIDE_FLEET = Fleet("8E", dict(sorted({**_USUAL, 207: 2**64 - 1, 385: 0}.items())))


def capture_entries() -> list[Entry]:
    """The captured drive's records, in order, repeats included."""
    with CAPTURE.open("rb") as source:
        return [
            Entry(record.timestamp, CAPTURE_DEVICE_ID, outcome.frame.codec, record.payload)
            for outcome in Capture(source, lambda _: CAPTURE_DEVICE_ID)
            if isinstance(outcome, Accepted)
            for record in outcome.frame.records
        ]


def fleet_entries(fleet: Fleet, entries: int, ages: Ages = live) -> Iterator[Entry]:
    """`entries` records of a fleet, the same ones each time; no key comes twice, unless the ages say so."""
    rng = random.Random(FLEET_SEED)  # noqa: S311  # sample data
    for number in range(entries):
        device, moment = ages(rng, number)
        device_id, ts = f"3563070{device:08d}", _iso(moment)
        payload = orjson.dumps(
            {
                "device_id": device_id,
                "timestamp": ts,
                "latitude": round(rng.uniform(39.6, 42.6), 7),
                "longitude": round(rng.uniform(19.2, 21.0), 7),
                "altitude": rng.randrange(900),
                "angle": rng.randrange(360),
                "speed": rng.randrange(130),
                "satellites": rng.randrange(4, 22),
                "priority": 0,
                "attributes": _attributes(fleet, rng),
            }
        )
        yield Entry(ts, device_id, fleet.codec, payload)


def first_of_each_key(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that repeat an earlier one's device and time."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        first.setdefault((entry.device_id, entry.ts), entry)
    return list(first.values())


def _iso(moment: datetime) -> str:
    """As JavaScript's Date.toISOString writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attributes(fleet: Fleet, rng: random.Random) -> dict[str, JsonValue]:
    return {str(key): _value(key, most, rng) for key, most in fleet.largest_values.items()}


def _value(element_id: int, largest: int, rng: random.Random) -> JsonValue:
    if element_id in BUFFER_IDS:
        return {"__buffer_b64": base64.b64encode(rng.randbytes(BUFFER_BYTES)).decode()}
    value = int(rng.random() * (largest + 1))
    return {"__bigint": str(value)} if element_id in BIGINT_IDS else value
