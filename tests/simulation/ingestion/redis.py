"""A Redis server behind socket pairs: it reads commands byte by byte, keeps entries, and gets into trouble."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.ingestion.life import Life

# Virtual time from the arrival of bytes to their execution.
LATENCY_S: Final = 0.001
# Read at once: less than a frame's commands, so that a cut may come between two of them.
READ_BYTES: Final = 600

OOM: Final = b"OOM command not allowed when used memory > 'maxmemory'."
NOPERM: Final = b"NOPERM this user has no permissions to run the 'xadd' command"
READONLY: Final = b"READONLY You can't write against a read only replica."
REPLIES: Final = {
    b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n",
    b"CLIENT": b":1\r\n",
    b"PING": b"+PONG\r\n",
    b"XLEN": b":1\r\n",
    # No set of devices.
    b"SSCAN": b"*2\r\n$1\r\n0\r\n*0\r\n",
}
"""Of commands that say the same in any state."""
BAD_ID: Final = b"ERR The ID specified in XADD must be greater than 0-0"


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One connection of a life, as the server sees it."""

    far: trio.socket.SocketType
    life: Life
    generation: int
    """Of the server's roles: a connection that was made before the last failover leads to a replica."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was added to a stream, and over which connection."""

    stream: str
    fields: dict[str, str]
    link: Link


@dataclass
class SimulatedRedis:
    """Made inside a Trio run; `run` is its task."""

    entries: list[Entry] = field(default_factory=list)
    refusal: bytes | None = None
    """What every XADD is answered with."""
    delay_s: float = LATENCY_S
    answers: trio.Event = field(default_factory=trio.Event)
    """Not set: it is frozen."""
    _generation: int = 0
    _is_away: bool = False
    _links: set[Link] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.answers.set()
        self._arrivals, self._arrived = trio.open_memory_channel[Link](1_000)

    def connect(self, life: Life) -> socket.socket:
        """The client's end of a new connection. Raises ConnectionRefusedError while the server is away."""
        if self._is_away:
            raise ConnectionRefusedError(111, "Connection refused")
        near, far = socket.socketpair()
        near.settimeout(0)
        link = Link(trio.socket.from_stdlib_socket(far), life, self._generation)
        self._links.add(link)
        self._arrivals.send_nowait(link)
        return near

    def go_away(self) -> None:
        """Every connection breaks, with what is on it, and none is accepted."""
        self._is_away = True
        for link in self._links:
            link.far.close()
        self._links.clear()

    def freeze(self) -> None:
        """Connections stay, new ones are accepted by the kernel, and nothing is answered."""
        if self.answers.is_set():
            self.answers = trio.Event()

    def fail_over(self) -> None:
        """Another server is the master now; the old connections lead to a replica."""
        self._generation += 1

    def leads_astray(self, life: Life) -> bool:
        """Whether the life is connected to a replica, and may not have noticed."""
        return any(
            link.life is life and link.generation != self._generation for link in self._links
        )

    def recover(self) -> None:
        """It is there, answers without delay, and refuses nothing. What a frozen one has received it executes."""
        self._is_away = False
        self.refusal = None
        self.delay_s = LATENCY_S
        self.answers.set()

    def close(self) -> None:
        """Close what is left at the end of a simulation."""
        for link in self._links:
            link.far.close()

    async def run(self) -> None:
        """Serve connections until cancelled."""
        async with trio.open_nursery() as serving:
            async for link in self._arrived:
                serving.start_soon(self._serve, link)

    async def _serve(self, link: Link) -> None:
        received = bytearray()
        try:
            while link.far.fileno() >= 0:
                await trio.lowlevel.wait_readable(link.far)
                await trio.sleep(self.delay_s)
                await self.answers.wait()
                piece = b"" if link.life.is_lost else await link.far.recv(READ_BYTES)
                if not piece:
                    return
                received += piece
                await self._execute(link, received)
        except (OSError, trio.ClosedResourceError):
            # The other side has closed, or the server has gone away.
            return
        finally:
            link.far.close()
            self._links.discard(link)

    async def _execute(self, link: Link, received: bytearray) -> None:
        replies = b""
        for command in commands_in(received):
            replies += self._reply(link, command)
            if random.random() < 0.5:  # from the simulation's seed
                await link.far.send(replies)
                replies = b""
                await trio.sleep(self.delay_s)
                if link.life.is_lost:
                    return
        if replies:
            await link.far.send(replies)

    def _reply(self, link: Link, command: list[bytes]) -> bytes:
        name, *arguments = command
        if name == b"XADD":
            return self._add(link, arguments[0].decode(), arguments[1:])
        if name == b"SUBSCRIBE":
            [channel] = arguments
            return b">3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:1\r\n" % (len(channel), channel)
        return REPLIES[name]

    def _add(self, link: Link, stream: str, arguments: list[bytes]) -> bytes:
        if link.generation != self._generation:
            return b"-%b\r\n" % READONLY
        if self.refusal is not None:
            return b"-%b\r\n" % self.refusal
        if arguments[0] == b"MAXLEN":
            arguments = arguments[3:]
        if arguments[0] == b"0-0":
            return b"-%b\r\n" % BAD_ID
        texts = [each.decode() for each in arguments[1:]]
        fields = dict(zip(texts[::2], texts[1::2], strict=True))
        self.entries.append(Entry(stream, fields, link))
        entry_id = b"%d-0" % len(self.entries)
        return b"$%d\r\n%b\r\n" % (len(entry_id), entry_id)


def commands_in(received: bytearray) -> Iterator[list[bytes]]:
    """The whole commands at the beginning, which are removed."""
    while (end := _end_of_command(received)) is not None:
        whole = bytes(received[:end])
        del received[:end]
        yield _arguments(whole)


def _end_of_command(received: bytearray) -> int | None:
    """Where the first command ends: an array of bulk strings."""
    at = received.find(b"\r\n")
    if at < 0:
        return None
    count, at = int(received[1:at]), at + 2
    for _ in range(count):
        line_end = received.find(b"\r\n", at)
        if line_end < 0:
            return None
        at = line_end + 2 + int(received[at + 1 : line_end]) + 2
    return at if at <= len(received) else None


def _arguments(whole: bytes) -> list[bytes]:
    found, at = [], whole.index(b"\r\n") + 2
    while at < len(whole):
        line_end = whole.index(b"\r\n", at)
        length = int(whole[at + 1 : line_end])
        found.append(whole[line_end + 2 : line_end + 2 + length])
        at = line_end + 2 + length + 2
    return found
