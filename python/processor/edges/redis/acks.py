"""Acknowledgements: commands of bounded size, as many at once as the link has room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from processor.core.portion import Portion
from processor.edges.redis.connections import Connections
from processor.edges.redis.names import StreamNames
from processor.edges.redis.scripts import ACKNOWLEDGE

if TYPE_CHECKING:
    from telemetry._codec import Batch

# One command has 22 kB then: half a second over a link of 50 kB/s. Lua's stack has no room for 8,000.
IDS_PER_COMMAND: Final = 1_000
# In one turn, during which no other request is sent.
COMMANDS_MAX: Final = 64


class Acks:
    """XACKs of one consumer.

    A large batch takes turns with other requests on the connection, so that leases are renewed
    meanwhile, however slow the link is. Over a fast link it takes one turn, which is one round trip.
    """

    def __init__(self, connections: Connections, names: StreamNames) -> None:
        self._connections = connections
        self._names = names
        self._commands = Portion(COMMANDS_MAX, first=1)

    async def take_turn(self, batch: Batch, attempted: Sequence[str]) -> int:
        """Acknowledge the first records; returns how many, 0 for an empty batch. Raises RedisError."""
        began_s = trio.current_time()
        control, commands = self._connections.control, self._commands.size
        starts = range(0, batch.records, IDS_PER_COMMAND)[:commands]
        pieces = [batch.piece(start, start + IDS_PER_COMMAND) for start in starts]
        replies = await control.pipeline([self._command(piece, attempted) for piece in pieces])
        answered = 0
        for piece, reply in zip(pieces, replies, strict=False):
            if answered and not isinstance(reply, int):
                # The next turn begins with what was refused now.
                break
            control.expect_integer(reply)
            answered += piece.records
        self._learn(full=len(replies) == commands, took_s=trio.current_time() - began_s)
        return answered

    def _learn(self, *, full: bool, took_s: float) -> None:
        if took_s * 1000 > self._connections.limits.ack_turn_ms_max:
            self._commands.too_much()
        elif full:
            self._commands.went_well()

    def _command(self, piece: Batch, attempted: Sequence[str]) -> bytes:
        names = self._names
        with_attempts = piece.ids_among(attempted) if attempted else []
        if not with_attempts:
            return piece.ack_command(names.stream, names.group)
        ids = piece.entry_ids
        return ACKNOWLEDGE.call(
            (names.stream, names.attempts), names.group, len(ids), *ids, *with_attempts
        )
