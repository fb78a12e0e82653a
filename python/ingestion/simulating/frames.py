"""What a device sends: the frames of a recording, moved in time and place, or generated positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from telemetry.stream.avl_frames import LAYOUTS, AvlRecord, decode_frame, encode_frame, encode_io
from telemetry.stream.capture import Accepted, Capture
from telemetry.stream.imei import imei_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Test equipment: no vehicle has such an IMEI (GSMA TS.06, two zeros in the place of the reporting body).
FIRST_IMEI: Final = imei_after("009980000000000", 1)

# Devices stand on a grid, so many 1e-7 degrees apart.
_STEP_E7 = 500_000
_FIRST_LONGITUDE_E7, _FIRST_LATITUDE_E7 = 190_000_000, 400_000_000
# Each round of a recording, and each device in it, has times of its own.
_DEVICE_MS, _ROUND_MS = 1_000, 1

_RECORDS_A_FRAME_MAX = 9
# What real devices do where several records fall into one moment.
_RECORDS_APART_MS = 10
_METRES_A_DEGREE = 111_320


class OutgoingFrame(NamedTuple):
    """A frame, and how many records its answer has to say."""

    data: bytes
    records: int

    def damaged(self) -> bytes:
        """The frame as it arrives when a bit was flipped on the way: its checksum is wrong."""
        flipped = bytearray(self.data)
        flipped[-5] ^= 0x01
        return bytes(flipped)


class FrameSource(Protocol):
    """The frames of one device, in order."""

    @property
    def is_through(self) -> bool:
        """Whether there is no further frame."""

    def next_frame(self) -> OutgoingFrame:
        """The next frame, made now."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The frames of a recording that a device can send: sound ones, and none with commands' answers."""

    frames: tuple[bytes, ...]
    left_out: int
    """Refused frames, and frames of commands, which get no answer with a number."""


def read_recording(path: Path) -> Recording:
    """Read a recording. Raises OSError."""
    frames, left_out = [], 0
    with path.open("rb") as source:
        for outcome in Capture(source, lambda imei: imei or FIRST_IMEI):
            if isinstance(outcome, Accepted) and not outcome.frame.command:
                frames.append(outcome.wire)
            else:
                left_out += 1
    return Recording(tuple(frames), left_out)


def imei_of(device: int) -> str:
    """The IMEI of a device, counted from 0."""
    return imei_after(FIRST_IMEI, device)


def place_of(device: int) -> tuple[int, int]:
    """How far east and north of the first device a device stands, in 1e-7 degrees; all together form a square."""
    side = math.isqrt(device)
    along = device - side * side
    east, north = (side, along) if along <= side else (2 * side - along, side)
    return east * _STEP_E7, north * _STEP_E7


class RecordedFrames:
    """A recording as a device would have made it: the first one as it was, each other elsewhere and later.

    `rounds` None: again and again, each round later than the one before.
    """

    def __init__(self, frames: Sequence[bytes], device: int, *, rounds: int | None) -> None:
        self._frames = frames
        self._device = device
        self._frames_max = None if rounds is None else rounds * len(frames)
        self._sent = 0

    @property
    def is_through(self) -> bool:
        """Whether all rounds were sent."""
        return self._sent == self._frames_max

    def next_frame(self) -> OutgoingFrame:
        """The next frame of the recording."""
        round_number, number = divmod(self._sent, len(self._frames))
        self._sent += 1
        frame = self._frames[number]
        if self._device == 0 and round_number == 0:
            return OutgoingFrame(frame, frame[9])
        codec, records = decode_frame(frame)
        east_e7, north_e7 = place_of(self._device)
        move = partial(
            AvlRecord.moved,
            later_ms=self._device * _DEVICE_MS + round_number * _ROUND_MS,
            east_e7=east_e7,
            north_e7=north_e7,
        )
        return OutgoingFrame(encode_frame(codec, [move(each) for each in records]), len(records))


class GeneratedFrames:
    """A vehicle that drives on and on. The codec is another one from device to device.

    The records of a frame cover the time since the frame before. `unix_ms` is the device's clock.
    """

    def __init__(self, device: int, random: Random, unix_ms: Callable[[], int]) -> None:
        self._codec = tuple(LAYOUTS)[device % len(LAYOUTS)]
        self._random = random
        self._unix_ms = unix_ms
        self._newest_ms = unix_ms()
        east_e7, north_e7 = place_of(device)
        self._longitude_e7 = float(_FIRST_LONGITUDE_E7 + east_e7)
        self._latitude_e7 = float(_FIRST_LATITUDE_E7 + north_e7)
        self._angle_deg = random.randrange(360)
        self._speed_kmh = 50
        self._metres = 0.0

    is_through = False

    def next_frame(self) -> OutgoingFrame:
        """A frame of one to nine records."""
        count = self._random.randint(1, _RECORDS_A_FRAME_MAX)
        apart_ms = max((self._unix_ms() - self._newest_ms) // count, _RECORDS_APART_MS)
        records = [self._next_record(apart_ms) for _ in range(count)]
        return OutgoingFrame(encode_frame(self._codec, records), count)

    def _next_record(self, after_ms: int) -> AvlRecord:
        self._newest_ms += after_ms
        self._drive(after_ms / 1_000)
        return AvlRecord(
            timestamp_ms=self._newest_ms,
            priority=0,
            longitude_e7=round(self._longitude_e7),
            latitude_e7=round(self._latitude_e7),
            altitude_m=110,
            angle_deg=self._angle_deg,
            satellites=self._random.randint(5, 18),
            speed_kmh=self._speed_kmh,
            io=self._elements(),
        )

    def _drive(self, seconds: float) -> None:
        random = self._random
        self._angle_deg = (self._angle_deg + random.randint(-15, 15)) % 360
        self._speed_kmh = min(max(self._speed_kmh + random.randint(-5, 5), 0), 130)
        metres = self._speed_kmh / 3.6 * seconds
        self._metres += metres
        degrees_e7 = metres / _METRES_A_DEGREE * 10**7
        # A million seconds at full speed are well within the globe from where the devices begin.
        self._longitude_e7 += degrees_e7 * math.sin(math.radians(self._angle_deg))
        self._latitude_e7 += degrees_e7 * math.cos(math.radians(self._angle_deg))

    def _elements(self) -> bytes:
        """Ignition, movement, signal, voltage, odometer, operator and driver's key, as the vendor numbers them."""
        moves = self._speed_kmh > 0
        elements = (
            (239, b"\x01"),
            (240, bytes([moves])),
            (21, bytes([self._random.randint(1, 5)])),
            (66, self._random.randint(12_000, 14_400).to_bytes(2)),
            (16, round(self._metres).to_bytes(4)),
            (241, (27_601).to_bytes(4)),
            (78, (2**63 + self._newest_ms).to_bytes(8)),
        )
        beacon = ((385, self._random.randbytes(6)),) if self._codec == "8E" else ()
        return encode_io(self._codec, 0, elements, generation_type=5, variable=beacon)
