"""A TCP relay that plays the link between machines: slow, silent, moved, or closing idle connections.

It runs in its own thread; plain attributes may be changed while it runs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

import trio

from dev.servers.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Small buffers, so that a sender notices the link's speed and does not fill the kernel's memory.
BUFFER_BYTES = 16_384
PIECE_BYTES_MAX = 16_384
# A slow link passes its bytes on in pieces of this time, as packets do.
PIECE_S = 0.05
CHECK_S = 0.02
IDLE_FOREVER_S = float("inf")


@dataclass
class Direction:
    """One direction of the link: all connections share its bytes per second; None is unlimited."""

    bytes_per_s: int | None = None
    passed_bytes: int = 0
    _free_at: float = field(default=0.0, repr=False)

    @property
    def piece_bytes(self) -> int:
        """How much is passed on at a time."""
        if self.bytes_per_s is None:
            return PIECE_BYTES_MAX
        return max(1, min(PIECE_BYTES_MAX, int(self.bytes_per_s * PIECE_S)))

    async def carry(self, count: int) -> None:
        """Take the time that these bytes need, behind those that came before."""
        self.passed_bytes += count
        if self.bytes_per_s is not None:
            start = max(trio.current_time(), self._free_at)
            self._free_at = start + count / self.bytes_per_s
            await trio.sleep_until(self._free_at)


@dataclass
class Relay:
    """Passes connections to `port` on to `target_port`. Change the fields at any time."""

    target_port: int
    """Where new connections lead; those that are there stay where they are."""
    port: int = 0
    up: Direction = field(default_factory=Direction)
    """From the client to the server."""
    down: Direction = field(default_factory=Direction)
    """From the server to the client."""
    idle_close_s: float = IDLE_FOREVER_S
    """A connection on which nothing moved for so long is closed, on both sides."""
    frozen: bool = False
    """While set, nothing is passed on, and no connection is made or ended."""
    accepted: int = 0
    """Connections accepted so far."""
    idle_closed: int = 0
    """Connections closed for idleness so far."""
    _generation: int = field(default=0, repr=False)

    def cut(self) -> None:
        """End the connections that are there, as a restarted proxy does."""
        self._generation += 1


@contextlib.contextmanager
def launch_relay(target_port: int) -> Iterator[Relay]:
    """Relay a free port of 127.0.0.1 to `target_port` until the block ends."""
    relay = Relay(target_port)
    with socket.socket() as listener:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listener.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        listener.bind((HOST, 0))
        listener.listen(128)
        relay.port = listener.getsockname()[1]
        ends: SimpleQueue[Callable[[], None]] = SimpleQueue()
        thread = threading.Thread(
            target=trio.run, args=(_serve, relay, listener, ends), daemon=True
        )
        thread.start()
        end = ends.get()
        try:
            yield relay
        finally:
            end()
            thread.join()


async def _serve(
    relay: Relay, listener: socket.socket, ends: SimpleQueue[Callable[[], None]]
) -> None:
    """Serve until the function that is put into `ends` is called, by whatever thread."""
    with trio.CancelScope() as scope:
        token = trio.lowlevel.current_trio_token()
        ends.put(lambda: token.run_sync_soon(scope.cancel))
        await _accept(relay, trio.SocketListener(trio.socket.from_stdlib_socket(listener)))


async def _accept(relay: Relay, listener: trio.SocketListener) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            client = await listener.accept()
            relay.accepted += 1
            nursery.start_soon(_Connection(relay, client).run)


class _Connection:
    """One client and its server."""

    def __init__(self, relay: Relay, client: trio.SocketStream) -> None:
        self._relay = relay
        self._client = client
        self._generation = relay._generation  # noqa: SLF001
        self._moved_at = trio.current_time()

    async def run(self) -> None:
        """Pass on both ways until either end is gone or the relay ends it."""
        with self._client.socket, contextlib.suppress(OSError):
            await self._while_frozen()
            server = await _connect(self._relay.target_port)
            with server.socket:
                async with trio.open_nursery() as nursery:
                    scope = nursery.cancel_scope
                    nursery.start_soon(self._pass_on, self._client, server, self._relay.up, scope)
                    nursery.start_soon(self._pass_on, server, self._client, self._relay.down, scope)
                    await self._watch()
                    scope.cancel()

    async def _watch(self) -> None:
        """Return when the relay is to end this connection."""
        while self._generation == self._relay._generation:  # noqa: SLF001
            if trio.current_time() - self._moved_at > self._relay.idle_close_s:
                self._relay.idle_closed += 1
                return
            await trio.sleep(CHECK_S)

    async def _pass_on(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        direction: Direction,
        scope: trio.CancelScope,
    ) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(direction.piece_bytes):
                await self._while_frozen()
                self._moved_at = trio.current_time()
                await direction.carry(len(data))
                await sink.send_all(data)
                self._moved_at = trio.current_time()
        # The end of one is passed on as the end of both: neither protocol has half-open connections.
        await self._while_frozen()
        scope.cancel()

    async def _while_frozen(self) -> None:
        while self._relay.frozen:  # noqa: ASYNC110  # another thread sets it
            await trio.sleep(CHECK_S)


async def _connect(port: int) -> trio.SocketStream:
    server = trio.socket.socket()
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        server.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    try:
        await server.connect((HOST, port))
    except BaseException:
        server.close()
        raise
    return trio.SocketStream(server)
