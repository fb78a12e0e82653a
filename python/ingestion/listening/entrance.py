"""The way in: who gets a place, and where the accept loops wait when all places are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ingestion.listening.admission import Admission
from ingestion.listening.connection import Connection

if TYPE_CHECKING:
    import socket

    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Transport
    from ingestion.listening.options import ListenOptions
    from ingestion.listening.peer import Peer
    from ingestion.listening.preamble import Preamble


class Entrance:
    """Decides about each connection when it arrives."""

    def __init__(self, options: ListenOptions, preamble: Preamble, journal: Journal) -> None:
        self._preamble = preamble
        self._journal = journal
        self._admission = Admission(
            connections_max=options.max_connections,
            per_address_max=options.max_connections_per_address,
            on_leave=self.wake,
        )
        self._room = trio.Event()

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._admission.connections

    @property
    def has_room(self) -> bool:
        """Whether one more connection may come in."""
        return self._admission.free > 0

    async def wait_for_room(self) -> None:
        """Report that somebody waits outside, and wait until a connection has ended, or `wake`."""
        self._journal.house_full(connections=self.connections)
        await self._room.wait()

    def admit(self, accepted: socket.socket, peer: Peer, transport: Transport) -> Connection | None:
        """The connection that was accepted, in a place of its own; None: it was refused, and is closed."""
        connection = Connection(
            accepted,
            peer=peer,
            transport=transport,
            place=self._admission.enter(),
            preamble=self._preamble,
        )
        refusal = self._preamble.refusal_on_arrival(connection)
        if refusal is None:
            return connection
        self._journal.connection_refused(
            reason=refusal.reason, address=connection.address, error=str(refusal)
        )
        connection.close()
        return None

    def wake(self) -> None:
        """Have those who wait for room look again."""
        room, self._room = self._room, trio.Event()
        room.set()
