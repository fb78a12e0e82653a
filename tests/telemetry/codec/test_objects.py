"""Python handles batches: nothing is made for a single record."""

from __future__ import annotations

import gc
import tracemalloc

from telemetry._codec import Batch, DeviceStates, InFlightIds
from tests.support.wire import any_time_parser, position, read_reply

# Larger than any COPY stream here, so that both sizes come in one piece.
PIECE_BYTES = 1 << 26
# Python's free lists lend a block now and then, which is not counted: the same run makes 14 or 15.
LENT_BLOCKS_MAX = 3


class Work:
    """Parse, prove, part, merge, copy and acknowledge; keeps what it makes, so that it can be counted."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire

    def run(self) -> list[object]:
        """Do it all once; whatever was made."""
        parser = any_time_parser()
        parser.feed(self.wire)
        delivery = parser.next_read()
        batch = delivery.batch  # type: ignore[union-attr]
        left, right = batch.split()
        merged = Batch.merge([left, right])
        rest, taken = merged.take_out(0)
        kept: list[object] = [parser, delivery, batch, left, right, merged, rest, taken]
        kept += merged.partition(2)
        states, in_flight = DeviceStates(100), InFlightIds()
        in_flight.take(batch, 0)
        states.update(batch, 0)
        keys = states.unproven(merged)
        kept += [states, in_flight, keys, *merged.drop_known(keys, bytes(4))]
        in_flight.settle(batch)
        kept += merged.copy_chunks(PIECE_BYTES)
        kept.append(merged.ack_command("telemetry:teltonika", "processor"))
        return kept


def blocks_made(work: Work) -> int:
    """Blocks that Python's allocators handed out for one run and that are still held at its end."""
    work.run()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before = block_count()
        kept = work.run()
        made = block_count() - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept
    return made


def block_count() -> int:
    own_file = tracemalloc.Filter(inclusive=True, filename_pattern=__file__)
    snapshot = tracemalloc.take_snapshot().filter_traces([own_file])
    return sum(statistic.count for statistic in snapshot.statistics("filename"))


def test_a_batch_of_5000_makes_no_more_objects_than_one_of_50() -> None:
    small = Work(read_reply([position(number) for number in range(50)]))
    large = Work(read_reply([position(number) for number in range(5000)]))
    made_small, made_large = blocks_made(small), blocks_made(large)
    assert 0 < made_large <= made_small + LENT_BLOCKS_MAX


def test_the_count_would_see_an_object_for_each_record() -> None:
    class Wasteful(Work):
        def run(self) -> list[object]:
            kept = super().run()
            return [*kept, *kept[2].entry_ids]  # type: ignore[attr-defined]

    wire = read_reply([position(number) for number in range(50)])
    assert blocks_made(Wasteful(wire)) >= blocks_made(Work(wire)) + 50


def test_pieces_are_held_one_at_a_time() -> None:
    batch = Work(read_reply([position(number) for number in range(5000)])).run()[2]
    assert isinstance(batch, Batch)
    piece_bytes = 16_384
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        pieces = 0
        for piece in batch.copy_chunks(piece_bytes):
            pieces += len(piece) > 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pieces > 20
    assert peak - before < 3 * piece_bytes
