from __future__ import annotations

import pytest

from ingestion.publishing.frame_queue import FrameQueue
from ingestion.publishing.waiting_frame import ParkedOutcome, WaitingFrame
from tests.support.ingestion_frames import frame

ACCEPTED = frame(1, 1, streams=["s"])


def filled(*sizes: int) -> tuple[FrameQueue, list[WaitingFrame]]:
    """Frames of these sizes, of which the nth was accepted at second n."""
    queue = FrameQueue()
    frames = [
        WaitingFrame(ACCEPTED, size, second, ParkedOutcome()) for second, size in enumerate(sizes)
    ]
    for each in frames:
        queue.put(each)
    return queue, frames


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([10, 10, 10], [3]),
        ([10, 10, 11], [2, 1]),
        ([31, 10], [1, 1]),
        ([10, 31, 10], [1, 1, 1]),
        ([], [0]),
    ],
)
def test_as_many_frames_are_taken_as_fit_and_one_at_least(
    sizes: list[int], taken: list[int]
) -> None:
    queue, frames = filled(*sizes)
    chunks = [queue.take(30) for _ in taken]
    assert [len(chunk) for chunk in chunks] == taken
    assert sum(chunks, []) == frames  # noqa: RUF017  # a few lists
    assert queue.take(30) == []


def test_answers_come_in_the_order_of_sending() -> None:
    queue, frames = filled(1, 1)
    queue.take(30)
    with pytest.raises(AssertionError):
        queue.answered(frames[1])


def test_only_what_was_not_sent_and_is_too_old_is_overdue() -> None:
    queue, frames = filled(20, 20, 20)
    queue.take(30)
    assert queue.drop_unsent(2.0) == [frames[1]]
    assert queue.drop_sent() == [frames[0]]
    assert queue.take(30) == [frames[2]]


def test_what_was_turned_away_comes_next_in_its_order_and_is_taken_by_itself_if_that_is_asked() -> (
    None
):
    queue, frames = filled(1, 1, 1, 1)
    first, second, third, fourth = frames
    queue.take(3)
    queue.turned_away(first)
    queue.answered(second)
    queue.turned_away(third)
    assert queue.put_back() == [first, third]
    assert queue.put_back() == []
    assert queue.take(1, frozenset([first, third])) == [first]
    assert queue.take(30, frozenset([first, third])) == [third]
    assert queue.take(30, frozenset([first, third])) == []
    assert queue.take(30) == [fourth]


def test_what_was_turned_away_is_not_lost_with_the_connection_but_can_be_overdue() -> None:
    queue, frames = filled(1, 1, 1)
    queue.take(2)
    queue.turned_away(frames[0])
    queue.put_back()
    assert queue.drop_sent() == [frames[1]]
    assert queue.drop_unsent(1.0) == [frames[0]]
    assert queue.take(30) == [frames[2]]


@pytest.mark.parametrize("way", ["answered", "turned away", "lost", "overdue"])
def test_it_is_dry_when_it_is_closed_and_the_last_frame_has_gone(way: str) -> None:
    queue, frames = filled(1, 1)
    queue.close()
    assert not queue.dry.is_set()
    if way == "overdue":
        queue.drop_unsent(9.0)
    else:
        queue.take(30)
        assert not queue.dry.is_set()
    if way == "turned away":
        queue.turned_away(frames[0])
        queue.answered(frames[1])
        assert not queue.dry.is_set()
        assert queue.take(30) == []
        queue.put_back()
        assert queue.take(30) == [frames[0]]
        queue.answered(frames[0])
    if way == "lost":
        queue.drop_sent()
    if way == "answered":
        queue.answered(frames[0])
        assert not queue.dry.is_set()
        queue.answered(frames[1])
    assert queue.dry.is_set()


def test_an_empty_one_is_dry_once_it_is_closed_and_takes_no_frame_any_more() -> None:
    queue, frames = filled()
    assert not queue.dry.is_set()
    queue.close()
    assert queue.dry.is_set()
    with pytest.raises(AssertionError):
        queue.put(WaitingFrame(ACCEPTED, 1, 0.0, ParkedOutcome()))
    assert frames == []
