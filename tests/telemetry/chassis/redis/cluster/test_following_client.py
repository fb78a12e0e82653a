"""The blocking client that goes where a cluster sends it: back to its URL's node when that one is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers.ports import HOST
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.client import errors_translated, open_client
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.peers import peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry.chassis.redis.client import Client

LIMITS = RedisLimits(answer_timeout_ms=500)


def node(*answers: bytes) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Answer each XLEN, whatever its connection, with the next of `answers`, and then none; other commands with OK."""
    left = list(answers)

    async def talk(stream: trio.SocketStream) -> None:
        async for piece in stream:
            if b"XLEN" not in piece:
                await stream.send_all(b"+OK\r\n")
            elif left:
                await stream.send_all(left.pop(0))

    return talk


async def length(client: Client) -> int:
    def ask() -> int:
        with errors_translated(client):
            return int(client.xlen("telemetry:teltonika"))

    return await trio.to_thread.run_sync(ask)


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_node_that_is_gone_is_left_for_the_one_of_the_url(*, is_silent: bool) -> None:
    async with trio.open_nursery() as nursery:

        async def serve(*, task_status: trio.TaskStatus[tuple[int, trio.CancelScope]]) -> None:
            with trio.CancelScope() as scope:
                async with peer(node(b":1\r\n", b":2\r\n")) as port:
                    task_status.started((port, scope))
                    await trio.sleep_forever()

        other, scope = await nursery.start(serve)
        moved = f"-MOVED 3999 {HOST}:{other}\r\n".encode()
        async with peer(node(moved, b":3\r\n")) as home:
            client = open_client(f"redis://{HOST}:{home}/0?protocol=2", LIMITS)
            # It stays where it was sent.
            assert [await length(client), await length(client)] == [1, 2]
            if not is_silent:
                scope.cancel()
            with pytest.raises(RedisUnavailable, match=f"{HOST}:{other}"):
                await length(client)
            assert await length(client) == 3
            client.close()
        scope.cancel()
