"""Batches as Python sees them; their algebra is proved in Rust."""

from __future__ import annotations

import pytest

from telemetry._codec import Batch, CodecError, DeviceStates
from tests.support.wire import acked_ids, batch, copy_stream, position, positions


def test_halves_and_merged_halves_hold_the_same_records() -> None:
    whole = batch(position(number) for number in range(10))
    left, right = whole.split()
    assert left.entry_ids + right.entry_ids == whole.entry_ids
    merged = Batch.merge([right, left])
    assert copy_stream(merged) == copy_stream(whole)
    assert (merged.rows, merged.row_bytes) == (whole.rows, whole.row_bytes)


def test_the_repeat_of_a_row_that_was_taken_out_takes_its_place() -> None:
    whole = batch([position(1), position(1, speed="64"), position(2)])
    rest, taken = whole.take_out(0)
    assert (taken.entry_ids, rest.entry_ids, rest.rows) == (["1-0"], ["1-1", "1-2"], 2)
    assert copy_stream(rest) == copy_stream(batch([position(1, speed="64"), position(2)]))


def test_an_ack_names_exactly_the_records() -> None:
    whole = batch([position(1), position(1), position(2)])
    rest, taken = whole.take_out(0)
    assert acked_ids(whole.ack_command("s", "g")) == whole.entry_ids
    assert acked_ids(rest.ack_command("s", "g")) == ["1-1", "1-2"]
    assert acked_ids(taken.ack_command("s", "g")) == ["1-0"]


def test_known_rows_are_parted_with_their_repeats() -> None:
    whole = batch([position(1), position(1), position(2), position(3)])
    keys = DeviceStates(1).unproven(whole)
    assert len(keys) == 3
    rest, known = whole.drop_known(keys, positions(2, 0))
    assert (rest.entry_ids, known.entry_ids) == (["1-2"], ["1-0", "1-1", "1-3"])
    rest, known = whole.drop_known(keys, b"")
    assert (copy_stream(rest), known.records) == (copy_stream(whole), 0)


def test_ids_among_are_those_of_records_in_their_order() -> None:
    whole = batch([position(1), position(1), position(2)])
    assert whole.ids_among(["1-2", "9-9", "1-1", "1-3"]) == ["1-2", "1-1"]
    assert whole.ids_among([]) == []


def test_parts_hold_all_records_and_a_device_stays_in_one() -> None:
    devices = [f"device-{number}" for number in range(50)]
    parts = batch(position(device_id=device) for device in devices * 2).partition(3)
    assert sum(part.records for part in parts) == 100
    assert sum(part.rows for part in parts) == 50


def test_pieces_are_as_long_as_asked_and_end_when_they_are_done() -> None:
    whole = batch(position(number) for number in range(100))
    pieces = list(whole.copy_chunks(1000))
    assert b"".join(pieces) == copy_stream(whole)
    assert all(1000 <= len(piece) < 1200 for piece in pieces[:-1])
    chunks = whole.copy_chunks(1)
    assert iter(chunks) is chunks
    assert len(list(chunks)) == 100
    assert next(chunks, None) is None


@pytest.mark.parametrize("chunk_bytes", [0, 1])
def test_the_smallest_pieces_come_to_an_end(chunk_bytes: int) -> None:
    chunks = batch([position(1), position(2)]).copy_chunks(chunk_bytes)
    assert all(next(chunks) for _ in range(2))
    assert next(chunks, None) is None


def test_misuse_is_an_error() -> None:
    one = batch([position()])
    with pytest.raises(CodecError, match="fewer than two rows"):
        one.split()
    with pytest.raises(CodecError, match="no such row"):
        one.take_out(1)
    with pytest.raises(CodecError, match="no parts"):
        one.partition(0)
    keys = DeviceStates(1).unproven(one)
    with pytest.raises(CodecError, match="beyond the keys"):
        one.drop_known(keys, positions(1))
    with pytest.raises(CodecError, match="four bytes each"):
        one.drop_known(keys, b"\0\0\0")
    with pytest.raises(CodecError, match="another batch"):
        batch([position(), position(1)]).drop_known(keys, b"")
    with pytest.raises(CodecError, match="ms-seq"):
        one.ids_among(["1-0", "1"])
    assert issubclass(CodecError, ValueError)


def test_nothing_merged_is_an_empty_batch() -> None:
    empty = Batch.merge([])
    assert (empty.records, empty.rows, empty.row_bytes, empty.entry_ids) == (0, 0, 0, [])
    assert acked_ids(empty.ack_command("s", "g")) == []
