"""The accept loop: takes connections from the kernel in bounded bursts, and outlives whatever the kernel says.

Trio's own loop logs a traceback ten times a second when descriptors run out, and knows no full house.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import trio

from ingestion.listening.peer import peer_of
from telemetry.chassis import progress

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Connection, Transport
    from ingestion.listening.entrance import Entrance

# After so many the sessions have their turn: the login clocks of those that were accepted are running.
BURST: Final = 32
# Until something that holds descriptors or memory has ended.
SHORTAGE_PAUSE_S: Final = 0.2
SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# accept(2): errors of the connection itself that were pending, and a firewall's. Nobody is left to be served.
NOBODYS: Final = frozenset(
    (
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    )
)


class AcceptLoop:
    """Accepts from one listening socket until that is closed."""

    def __init__(
        self,
        listening: socket.socket,
        transport: Transport,
        entrance: Entrance,
        journal: Journal,
    ) -> None:
        self._listening = listening
        self._transport = transport
        self._entrance = entrance
        self._journal = journal

    async def run(self, start: Callable[[Connection], None]) -> None:
        """Accept until the listening socket is closed; `start` takes over each connection, and starts a task for it."""
        while await self._is_wanted():
            if not self._entrance.has_room:
                await self._entrance.wait_for_room()
            elif (shortage := self._accept_burst(start)) is None:
                self._journal.accept_succeeded()
            else:
                self._journal.accept_failed(error=shortage)
                await progress.pause(SHORTAGE_PAUSE_S)

    async def _is_wanted(self) -> bool:
        """Wait for a connection; False: the listening socket was closed."""
        if self._listening.fileno() < 0:
            return False
        try:
            await trio.lowlevel.wait_readable(self._listening)
        except trio.ClosedResourceError:
            return False
        # It may have been closed after this task was woken, and before its turn.
        return self._listening.fileno() >= 0

    def _accept_burst(self, start: Callable[[Connection], None]) -> str | None:
        """Accept what waits, as far as there is room; returns the error if descriptors or memory ran out."""
        for _ in range(BURST):
            if not self._entrance.has_room:
                return None
            try:
                accepted, address = self._listening.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in SHORTAGES:
                    return error.strerror or str(error)
                if error.errno not in NOBODYS:
                    raise
                continue
            connection = self._entrance.admit(accepted, peer_of(address), self._transport)
            if connection is not None:
                start(connection)
        return None
