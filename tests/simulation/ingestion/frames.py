"""Frames as simulated devices send them, and the entries that they must become."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from telemetry._codec import AvlFrame, decode_avl
from tests.support.ingestion_frames import framed, tcp_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(eq=False, slots=True)
class Frame:
    """One frame of a device."""

    data: bytes
    records: int
    """What its answer says."""
    pieces: Sequence[bytes] = ()
    """As it is sent; whole by default."""
    stalls: bool = False
    """The first time its last piece is not sent."""
    is_refused: bool = False
    """It cannot be decoded."""

    def __post_init__(self) -> None:
        if not self.pieces:
            self.pieces = (self.data,)

    @property
    def answer(self) -> bytes:
        """What the device must hear."""
        return self.records.to_bytes(4)

    def entries(self, imei: str) -> Sequence[Mapping[str, str]]:
        """The fields of each record's entry; none of a frame that cannot be decoded."""
        return () if self.is_refused else _entries(self.data, imei)


@cache
def _entries(data: bytes, imei: str) -> tuple[Mapping[str, str], ...]:
    """As the codec's other reader of frames has them, which the vectors hold to the truth."""
    [frame] = decode_avl(data, imei, resync=False)
    assert isinstance(frame, AvlFrame)
    return tuple(
        {
            "ts": record.timestamp,
            "device_id": imei,
            "codec": frame.codec,
            "payload": record.payload.decode(),
        }
        for record in frame.records
    )


def sound(number: int, records: int = 3) -> Frame:
    """The `number`th frame of a device."""
    return Frame(_sound_data(number, records), records)


def in_pieces(number: int, *, stalls: bool = False) -> Frame:
    """One that comes in three pieces, cut within its header and within a record."""
    data = _sound_data(number, 3)
    return Frame(data, 3, (data[:6], data[6:40], data[40:]), stalls)


def undecodable(records: int = 2) -> Frame:
    """One whose checksum is right, and whose records are none."""
    return Frame(framed(bytes([8, records, 0, 0, 0, records])), records, is_refused=True)


@cache
def _sound_data(number: int, records: int) -> bytes:
    return tcp_frame(number, records=records)
