from __future__ import annotations

import pytest

from ingestion.publishing.depth import QueueDepth


@pytest.mark.parametrize(
    ("records", "size", "has_room"),
    [
        (4, 40, True),
        (5, 40, False),
        (4, 41, False),
        (1, 1, True),
    ],
)
def test_both_bounds_hold_to_the_last_record_and_byte(
    records: int, size: int, has_room: bool
) -> None:
    depth = QueueDepth(10, 100)
    depth.add(6, 60)
    assert depth.has_room(records, size) is has_room


def test_who_has_a_part_leaves_the_rest_to_others() -> None:
    depth = QueueDepth(10, 100)
    depth.add(4, 40)
    assert depth.has_room(1, 10, part=0.5)
    assert not depth.has_room(2, 10, part=0.5)
    assert not depth.has_room(1, 11, part=0.5)
    assert depth.has_room(6, 60)


def test_an_empty_queue_has_room_for_anything() -> None:
    depth = QueueDepth(10, 100)
    assert depth.has_room(11, 101)
    depth.add(11, 101)
    assert not depth.has_room(1, 1)
    depth.remove(11, 101)
    assert depth.has_room(11, 101)
    assert depth.records == depth.bytes == 0
