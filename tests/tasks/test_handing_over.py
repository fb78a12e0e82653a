"""The last step of a life: what is released, in which order, and how it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from processor.life.handing_over import HandOver

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.edges.fakes.faults import Moment
    from tests.tasks.desk import Desk


async def list_pending_hangs(call: str, _: Moment) -> None:
    if call == "list_pending":
        await trio.sleep_forever()


async def test_what_is_in_hand_is_free_before_the_pending_list_is_looked_through(
    clock: MockClock, desk: Desk
) -> None:
    desk.publish(3)
    desk.in_hand.take(await desk.read())
    desk.stream.faults.intercept = list_pending_hangs
    with trio.move_on_after(1):
        await HandOver(desk.stream, desk.in_hand).run()
    assert (desk.in_hand.ledger.released, len(desk.in_hand), desk.unaccounted) == (3, 0, 0)


async def test_what_never_came_into_our_hands_is_released_too_and_each_entry_counts_once(
    clock: MockClock, desk: Desk
) -> None:
    desk.publish(2)
    desk.in_hand.take(await desk.read())
    desk.publish(1, first_second=100)
    await desk.read()
    await HandOver(desk.stream, desk.in_hand).run()
    assert (desk.in_hand.ledger.read, desk.in_hand.ledger.released) == (3, 3)
    assert (len(desk.in_hand), desk.unaccounted) == (0, 0)


async def test_what_was_refused_is_left_as_it_is(clock: MockClock, desk: Desk) -> None:
    entry_id = desk.add_malformed()
    desk.in_hand.take(await desk.read())
    desk.record(entry_id, 1)
    desk.in_hand.left(entry_id, recorded=True)
    await HandOver(desk.stream, desk.in_hand).run()
    assert (desk.in_hand.ledger.released, desk.in_hand.ledger.left_pending) == (0, 1)
