"""Receives datagrams and answers them, with a bounded number of them in hand.

Datagrams have no order, on the network or here: a device sends the next one when it has the answer to the last.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio

from ingestion.listening.packet_info import ANCILLARY_BYTES, from_destination
from ingestion.listening.peer import peer_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from ingestion.journal.journal import Journal
    from ingestion.listening.packet_info import Ancillary

    ServeDatagram = Callable[[bytes, str], Awaitable[bytes | None]]

# More than any datagram has.
DATAGRAM_BYTES_MAX: Final = 65_536
# While Redis is slow each waits for it; beyond these a new one is dropped, and the device sends it again.
IN_HAND_MAX: Final = 1000
# After so many those in hand have their turn.
BURST: Final = 32


class DatagramLoop:
    """Receives from one socket until `close`; what is in hand then is still answered."""

    def __init__(self, bound: socket.socket, journal: Journal) -> None:
        self._bound = bound
        self._journal = journal
        self._receiving = trio.CancelScope()
        self._in_hand = 0

    def close(self) -> None:
        """Receive no more. The socket is closed when the last datagram in hand is done."""
        self._receiving.cancel()

    async def run(self, serve: ServeDatagram) -> None:
        """`serve` is given each datagram and its sender's address, and returns the answer, if it gets one."""
        with self._bound:
            async with trio.open_nursery() as tasks:
                with self._receiving:
                    while True:
                        await trio.lowlevel.wait_readable(self._bound)
                        self._receive_burst(tasks, serve)

    def _receive_burst(self, tasks: trio.Nursery, serve: ServeDatagram) -> None:
        for _ in range(BURST):
            try:
                data, ancillary, _, sender = self._bound.recvmsg(
                    DATAGRAM_BYTES_MAX, ANCILLARY_BYTES
                )
            except BlockingIOError:
                return
            except OSError:
                # Of an answer that could not be delivered: the kernel tells it to the next who asks.
                continue
            if self._in_hand >= IN_HAND_MAX:
                self._journal.datagram_dropped(in_hand=self._in_hand)
                continue
            self._in_hand += 1
            tasks.start_soon(self._serve, serve, data, from_destination(ancillary), sender)

    async def _serve(
        self,
        serve: ServeDatagram,
        data: bytes,
        ancillary: list[Ancillary],
        sender: Any,  # noqa: ANN401  # as recvmsg returns it
    ) -> None:
        try:
            answer = await serve(data, str(peer_of(sender)))
        finally:
            self._in_hand -= 1
        if answer is not None:
            # What the kernel does not take is lost like any datagram, and the device sends its own again.
            with suppress(OSError):
                self._bound.sendmsg([answer], ancillary, 0, sender)
