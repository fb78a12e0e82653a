"""What this instance holds of a device, and how it is restored from the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio

from processor.writing.device_states import KnownDevices, Rehydrated
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis.control.arguments import text_of
from telemetry.chassis.control.messages import Values
from telemetry.chassis.control.responder import CannotDo
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.lock import Lock
from telemetry.chassis.times import iso_of_unix_ms, iso_of_unix_us

# How long to wait until a writer is between two batches: one that takes longer is in trouble itself.
TURN_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class WriterDevices:
    """The devices of one writer; `turn` is held while it writes a batch."""

    known: KnownDevices
    turn: Lock


class DeviceAnswers:
    """Answers about devices. A device belongs to one writer, and is restored between two of its batches."""

    def __init__(self, states: DeviceStates, writers: Sequence[WriterDevices]) -> None:
        """`writers`: in the order in which batches are parted."""
        self._states = states
        self._writers = writers

    async def held(self, arguments: Values) -> Values:
        """What is in memory; null where nothing is, and for a time of which nothing is known."""
        await trio.lowlevel.checkpoint()
        state = self._states.get(text_of(arguments, "device_id"))
        if state is None:
            return {"held": False, "newest_ts": None, "last_seen": None, "count": 0}
        return {
            "held": True,
            "newest_ts": iso_of_unix_us(state.newest_ts_us),
            # 0: restored from the table, and not heard of since.
            "last_seen": iso_of_unix_ms(state.last_seen_ms) if state.last_seen_ms else None,
            "count": state.session_records,
        }

    async def rehydrate(self, arguments: Values, phase: Phase) -> Values:
        """Forget the device and restore it: `restored`, `empty`, or `failed` if the table could not be read."""
        device_id = text_of(arguments, "device_id")
        if phase is Phase.STARTING:
            # The sessions are being opened, and nothing is in memory.
            raise CannotDo(
                "it is starting: what it has not heard of, it restores with the first batch"
            )
        writer = self._writers[Batch.part_of(device_id, len(self._writers))]
        result = Rehydrated.FAILED
        with trio.move_on_after(TURN_S_MAX):
            await writer.turn.acquire()
            try:
                result = await writer.known.rehydrate(device_id)
            finally:
                writer.turn.release()
        return {"result": result.name.lower()}
