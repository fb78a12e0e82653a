"""A publisher's connection to the node that its stream's slot is moving to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry._codec import ReplyParser
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.publishing.options import PublishOptions
    from telemetry.chassis.redis.cluster.nodes import Node
    from telemetry.chassis.redis.duplex import DuplexConnection


class Detour:
    """Made when it is first needed, and kept while it is used."""

    def __init__(self, options: PublishOptions, number: int) -> None:
        self._options = options
        self._number = number
        self._node: Node | None = None
        self._connection: DuplexConnection | None = None

    async def connected(self, node: Node) -> DuplexConnection:
        """An open connection to the node. Raises RedisError."""
        if not self._is_usable(node):
            self.close()
            opened = await self._options.homes.open_at(
                node,
                ReplyParser,
                name=self._options.client_name(self._number),
                limits=self._options.limits,
            )
            self._connection, self._node = opened.detached(), node
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Close the connection at once, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_usable(self, node: Node) -> bool:
        connection = self._connection
        if connection is None or connection.closed or node != self._node:
            return False
        # Nobody looks after it in between, and what was silent for longer may be cut off.
        quiet_s = clocks.monotonic_s() - connection.heard_s
        return quiet_s * 1000 <= connection.limits.idle_ms_max
