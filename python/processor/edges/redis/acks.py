"""Acknowledgements on a Redis server: bounded commands, as many at once as the link has room for."""

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

# One command is 22 kB then: half a second over a link of 50 kB/s. A script that took more would find no room
# on Lua's stack for 8,000.
IDS_MAX: Final = 1_000
# At once, and no other request goes between them: a link that needs longer for a turn is given fewer.
COMMANDS_MAX: Final = 64
TURN_S_MAX: Final = 0.25


class Acks:
    """XACKs of one consumer.

    A large batch takes turns with other requests on the connection, so that leases are renewed beside
    it, however slow the link is. Over a fast one it goes in one turn, which is one round trip.
    """

    def __init__(self, connections: Connections, names: StreamNames) -> None:
        self._connections = connections
        self._names = names
        self._commands = Portion(COMMANDS_MAX, first=1)

    async def take_turn(self, batch: Batch, attempted: Sequence[str]) -> int:
        """Acknowledge the first records; how many, 0 for none that there is. Raises RedisError."""
        began_s = trio.current_time()
        control, commands = self._connections.control, self._commands.size
        starts = range(0, batch.records, IDS_MAX)[:commands]
        pieces = [batch.piece(start, start + IDS_MAX) for start in starts]
        replies = await control.pipeline([self._command(piece, attempted) for piece in pieces])
        answered = 0
        for piece, reply in zip(pieces, replies, strict=False):
            if answered and not isinstance(reply, int):
                # The next turn begins with what was refused here.
                break
            control.as_integer(reply)
            answered += piece.records
        self._learn(full=len(replies) == commands, took_s=trio.current_time() - began_s)
        return answered

    def _learn(self, *, full: bool, took_s: float) -> None:
        if took_s > TURN_S_MAX:
            self._commands.too_much()
        elif full:
            self._commands.went_well()

    def _command(self, piece: Batch, attempted: Sequence[str]) -> bytes:
        names = self._names
        forgotten = piece.ids_among(attempted) if attempted else []
        if not forgotten:
            return piece.ack_command(names.stream, names.group)
        ids = piece.entry_ids
        return ACKNOWLEDGE.call(
            (names.stream, names.attempts), names.group, len(ids), *ids, *forgotten
        )
