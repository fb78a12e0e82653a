"""Peers that are not Redis, as a wrong URL or a broken network may lead to."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from dev.servers.ports import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@asynccontextmanager
async def peer(talk: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """A port where `talk` serves every connection, until the block ends."""

    async def serve(stream: trio.SocketStream) -> None:
        with stream.socket:
            await talk(stream)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host=HOST))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def silent(_: trio.SocketStream) -> None:
    """Accept, and never send anything."""
    await trio.sleep_forever()


def answering(*answers: bytes) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Answer each piece that arrives with the next of `answers`, then be silent."""

    async def talk(stream: trio.SocketStream) -> None:
        for answer in answers:
            await stream.receive_some(65_536)
            await stream.send_all(answer)
        await trio.sleep_forever()

    return talk
