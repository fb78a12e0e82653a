"""Observe, the end: what both servers hold when everything is settled, or should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from drills.processor.judgement import FinalState, tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drills.observed import PositionKey
    from drills.processor.load import Drive
    from drills.processor.stream import DrillStream
    from drills.processor.table import DrillTable


async def count_ending(
    stream: DrillStream, table: DrillTable, drive: Drive, *, published: int, inserted: int
) -> FinalState:
    """Count what was `published` and, by the logs of all lives, `inserted`. Raises EdgeError."""
    letters = await trio.to_thread.run_sync(stream.dead_letters)
    return FinalState(
        tally=tally(published, await _numbers_in_table(table, drive)),
        inserted=inserted,
        group=await trio.to_thread.run_sync(stream.state),
        unsettled=_numbers_of(drive, await trio.to_thread.run_sync(stream.unsettled)),
        dead_lettered=_numbers_of(drive, (key for key, _ in letters)),
        dead_letter_codes=tuple(code for _, code in letters),
    )


async def _numbers_in_table(table: DrillTable, drive: Drive) -> list[int]:
    numbers: list[int] = []
    for device_id in drive.device_ids:
        turns_ms = await trio.to_thread.run_sync(table.turns_ms, device_id, drive.start)
        numbers += (drive.number(device_id, turn_ms) for turn_ms in turns_ms)
    return numbers


def _numbers_of(drive: Drive, keys: Iterable[PositionKey]) -> frozenset[int]:
    return frozenset(
        drive.number(key.device_id, drive.turn_ms(key.ts))
        for key in keys
        if key.device_id in drive.device_ids
    )
