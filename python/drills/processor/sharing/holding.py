"""What an instance held at one moment, and how long it took until others had it."""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from drills.processor.sharing.fleet import Member
    from drills.processor.stream import DrillStream

_TRIES_MAX = 50
# A read that was blocked when the process stopped is answered by the next record, long before that.
_CAUGHT_S_MAX = 0.2
# What the process had sent before it stopped has reached Redis by then.
_ARRIVED_S = 0.02
_LOOK_S = 0.01
# Between two tries, it works.
_FREE_S = 0.05


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How long what was held lay, in milliseconds from the event.

    None: longer than was waited for, or nothing was held.
    """

    taken_over_ms: float | None
    """Until none of it was pending under the name of the instance: acknowledged, or claimed by another."""
    settled_ms: float | None
    """Until none of it was pending at all."""


async def catch(member: Member, stream: DrillStream) -> frozenset[str]:
    """Stop the process (SIGSTOP) in a moment in which entries are pending under its name; these entries.

    Under a light load it holds some for a millisecond at a time: an event in any other moment would show nothing. No
    entries if it never held one.
    """
    for _ in range(_TRIES_MAX):
        await member.service.send(SIGSTOP)
        if held := await _held(member.name, stream):
            return held
        await member.service.send(SIGCONT)
        await trio.sleep(_FREE_S)
    await member.service.send(SIGSTOP)
    return await _held(member.name, stream)


async def _held(name: str, stream: DrillStream) -> frozenset[str]:
    held: frozenset[str] = frozenset()
    with trio.move_on_after(_CAUGHT_S_MAX):
        while not held:
            await trio.sleep(_ARRIVED_S)
            held = await trio.to_thread.run_sync(stream.pending_ids, name)
    return held


async def follow(
    held: frozenset[str], name: str, stream: DrillStream, *, patience_s: float
) -> HandedOver:
    """Watch these entries, which `name` holds, from now until they are settled."""
    began = trio.current_time()
    taken_over_ms = settled_ms = None
    left = held
    with trio.move_on_after(patience_s):
        while True:
            owners = await trio.to_thread.run_sync(stream.pending_of, left)
            now_ms = (trio.current_time() - began) * 1000
            if taken_over_ms is None and name not in owners.values():
                taken_over_ms = now_ms
            if not owners:
                settled_ms = now_ms
                break
            left = frozenset(owners)
            await trio.sleep(_LOOK_S)
    return HandedOver(taken_over_ms, settled_ms)
