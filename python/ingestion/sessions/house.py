"""Where the conversations live: it starts a task for each connection, keeps their clocks, and ends them at a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ingestion.sessions.conversation import Conversation
from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.listening.connection import Connection
    from ingestion.sessions.parts import Parts

SWEEP_S = 1.0
# A stop closes connections one by one, so that their devices do not come back all at once: this far apart where the
# budget leaves time for it, and within this part of the budget in any case.
CLOSE_EVERY_S = 0.005
CLOSE_WITHIN = 0.8


class House:
    """The conversations of all connections. `run` is a stage: it ends when it is closed and they have ended."""

    def __init__(self, parts: Parts, *, drain_budget_ms: int) -> None:
        self._parts = parts
        self._close_within_s = drain_budget_ms / 1000 * CLOSE_WITHIN
        # In the order in which they came; a dict, so that an end costs the same however many there are.
        self._conversations: dict[Conversation, None] = {}
        self._tasks: trio.Nursery | None = None
        self.is_open = trio.Event()
        """Connections can come."""
        self._closed = trio.Event()

    def __len__(self) -> int:
        return len(self._conversations)

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._conversations)

    @property
    def oldest_unanswered_s(self) -> float:
        """Age of the oldest frame of an open connection that was accepted and has no answer; 0 if all have one."""
        since_s = [
            each.unanswered_since_s
            for each in self._conversations
            if each.unanswered_since_s is not None
        ]
        return max(0.0, clocks.monotonic_s() - min(since_s)) if since_s else 0.0

    async def run(self) -> None:
        """Keep the clocks until `close`, then end the conversations one by one, and wait for the last."""
        with progress.working():
            async with trio.open_nursery() as keeping:
                keeping.start_soon(self._sweep_for_ever)
                async with trio.open_nursery() as tasks:
                    self._tasks = tasks
                    self.is_open.set()
                    await self._closed.wait()
                    await self._end_one_by_one()
                keeping.cancel_scope.cancel()

    def start(self, connection: Connection) -> None:
        """Begin a conversation. After `close`, or before `run`, the connection is closed at once."""
        if self._tasks is None or self._closed.is_set():
            connection.close()
            return
        conversation = Conversation(connection, self._parts)
        self._conversations[conversation] = None
        # With a name of its own each task would keep one, and what waits between a task and its conversation costs
        # half a kilobyte for each of thousands.
        self._tasks.start_soon(conversation.run, self._forget, name="conversation")

    def close(self) -> None:
        """No connection comes any more."""
        self._closed.set()

    def _forget(self, conversation: Conversation) -> None:
        del self._conversations[conversation]

    async def _sweep_for_ever(self) -> None:
        while True:
            await trio.sleep(SWEEP_S)
            progress.step()
            now_ms = clocks.monotonic_ms()
            for conversation in tuple(self._conversations):
                conversation.expire(now_ms)

    async def _end_one_by_one(self) -> None:
        """Evenly over the time there is; each ends when it has answered the frame in hand."""
        leaving = tuple(self._conversations)
        every_s = min(CLOSE_EVERY_S, self._close_within_s / max(1, len(leaving)))
        began_s = clocks.monotonic_s()
        for number, conversation in enumerate(leaving):
            due_s = began_s + number * every_s
            if due_s > clocks.monotonic_s():
                await trio.sleep_until(due_s)
            # One that has ended meanwhile has nothing left to close.
            conversation.leave()
