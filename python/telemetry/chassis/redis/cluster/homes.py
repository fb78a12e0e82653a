"""Opens connections to where keys are: the one server, or, in a cluster, the master of their slot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from telemetry._codec import ReplyError, ReplyParser
from telemetry.chassis.errors import (
    ConfigError,
    RedisError,
    RedisMoved,
    RedisRefused,
    RedisUnavailable,
)
from telemetry.chassis.redis.cluster.demands import objection
from telemetry.chassis.redis.cluster.detour import Detour
from telemetry.chassis.redis.cluster.following import FollowingConnection
from telemetry.chassis.redis.cluster.nodes import Node, nodes_in
from telemetry.chassis.redis.cluster.redirections import MOVED, Redirection, redirection_in
from telemetry.chassis.redis.cluster.slots import slot_of
from telemetry.chassis.redis.errors import points_elsewhere
from telemetry.chassis.redis.opening import open_connection
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.chassis.config.redis_target import RedisTarget
    from telemetry.chassis.redis.connection import RedisConnection
    from telemetry.chassis.redis.limits import RedisLimits

CLUSTER_SLOTS: Final = encode("CLUSTER", "SLOTS")
# One is the rule, two follow a failover. More, and the nodes do not agree yet.
REDIRECTIONS_MAX: Final = 5


class Homes:
    """The way to the keys of one Redis, for all connections of a process.

    Remembers a cluster's nodes, so that the one that the URL names is needed at the start alone.
    """

    def __init__(self, target: RedisTarget) -> None:
        """Nothing is connected yet."""
        self.target = target
        # What answered last comes first. Empty: not known to be a cluster.
        self._nodes: list[Node] = []
        self._masters: dict[int, Node] = {}
        # The first of the keys that connections were opened for.
        self._opened: set[str] = set()

    @property
    def where(self) -> str:
        """The place that the URL names, for messages."""
        return self.target.where

    @property
    def may_move(self) -> bool:
        """Whether the next connection may lead to another server than the last, by an address of its own."""
        return self.target.sentinels is not None or bool(self._nodes)

    async def open(
        self,
        new_parser: Callable[[], ReplyParser],
        *,
        name: str,
        limits: RedisLimits,
        keys: Sequence[str] = (),
    ) -> RedisConnection:
        """A connection to the server that has these keys; without keys to any node.

        Raises like `open_connection`; RedisMoved if the cluster is down. In a cluster the keys have to be in one slot
        of database 0: raises ConfigError if they are not, or RedisRefused if they were opened before.
        """
        opening = partial(open_connection, name=name, limits=limits)
        errors: list[RedisError] = []
        for place in self._places(keys):
            try:
                connection = await self._open_from(place, opening, new_parser, keys)
            except (RedisUnavailable, RedisMoved) as error:
                self._forget(place, keys)
                errors.append(error)
            else:
                self._opened.update(keys[:1])
                return connection
        # A node that answers knows more than one that does not.
        raise next((error for error in errors if error.is_refusal), errors[0])

    async def open_at(
        self, node: Node, new_parser: Callable[[], ReplyParser], *, name: str, limits: RedisLimits
    ) -> RedisConnection:
        """A connection to a node that another one has named. Raises like `open_server`."""
        return await open_connection(self._target_at(node), new_parser(), name=name, limits=limits)

    def sent_on_to(self, message: str, key: str) -> Redirection | None:
        """Where the master of a key sends a command on to; None if its answer is no redirection."""
        at_first = Node(self.target.host, self.target.port)
        return redirection_in(message, asked=self._masters.get(slot_of(key), at_first))

    def _places(self, keys: Sequence[str]) -> list[Node | None]:
        """Where to begin, the best first; None is the place that the URL names."""
        master = self._masters.get(slot_of(keys[0])) if keys else None
        begin = [] if master is None else [master]
        return list(dict.fromkeys([*begin, *self._nodes, None]))

    def _forget(self, place: Node | None, keys: Sequence[str]) -> None:
        """It did not lead anywhere: begin elsewhere the next time."""
        if keys:
            self._masters.pop(slot_of(keys[0]), None)
        if place in self._nodes:
            self._nodes.remove(place)
            self._nodes.append(place)

    async def _open_from(
        self,
        place: Node | None,
        opening: Opening,
        new_parser: Callable[[], ReplyParser],
        keys: Sequence[str],
    ) -> RedisConnection:
        for _ in range(REDIRECTIONS_MAX):
            connection = await opening(self._target_at(place), new_parser())
            if connection.in_cluster is False:
                return connection
            asked = place or Node(self.target.host, self.target.port)
            try:
                moved_to = await self._moved_to(connection, asked, keys)
            except BaseException:
                connection.close()
                raise
            if moved_to is None:
                if not connection.in_cluster:
                    return connection
                return self._following(connection, asked, opening, new_parser)
            connection.close()
            place = moved_to
        raise RedisUnavailable(
            f"the nodes of the cluster send each to another, {REDIRECTIONS_MAX} times",
            where=self.where,
        )

    async def _moved_to(
        self, connection: RedisConnection, asked: Node, keys: Sequence[str]
    ) -> Node | None:
        """The node that has the keys, if it is another one."""
        if keys or connection.in_cluster:
            await self._learn(connection, asked)
        if connection.in_cluster:
            self._refuse_what_no_cluster_takes(keys)
        if not keys:
            return None
        # Any command with a key would do. This one is cheap, and all of our users may send it.
        [reply] = await connection.pipeline([encode("XLEN", keys[0])])
        if isinstance(reply, ReplyError):
            found = redirection_in(reply.message, asked=asked)
            if found is not None and found.code == MOVED:
                self._refuse_what_no_cluster_takes(keys)
                self._masters[found.slot] = found.node
                return found.node
            if points_elsewhere(reply.message):
                raise connection.refused(reply.message)
        if connection.in_cluster and asked in self._nodes:
            self._masters[slot_of(keys[0])] = asked
        return None

    async def _learn(self, connection: RedisConnection, asked: Node) -> None:
        [reply] = await connection.pipeline([CLUSTER_SLOTS])
        # A user that may not ask is left with the nodes that redirections name.
        if not isinstance(reply, ReplyError):
            # One that knows no HELLO has not said so before.
            connection.in_cluster = True
            others = [node for node in nodes_in(reply, asked=asked) if node != asked]
            # A Unix socket is no place to come back to by host and port.
            self._nodes = others if connection.where == self.target.path else [asked, *others]

    def _following(
        self,
        connection: RedisConnection,
        asked: Node,
        opening: Opening,
        new_parser: Callable[[], ReplyParser],
    ) -> FollowingConnection:
        async def open_at(node: Node) -> RedisConnection:
            return await opening(self._target_at(node), new_parser())

        return FollowingConnection.instead_of(connection, Detour(open_at), asked)

    def _target_at(self, node: Node | None) -> RedisTarget:
        if node is None:
            return self.target
        return replace(self.target, host=node.host, port=node.port, path=None)

    def _refuse_what_no_cluster_takes(self, keys: Sequence[str]) -> None:
        if not keys or (reason := objection(keys, db=self.target.db)) is None:
            return
        if keys[0] in self._opened:
            # It has become a cluster behind our back: that is no reason to end.
            raise RedisRefused(reason, where=self.where, code="CROSSSLOT")
        raise ConfigError(reason)


class Opening(Protocol):
    """Opens a connection to a server."""

    async def __call__(self, target: RedisTarget, parser: ReplyParser, /) -> RedisConnection:
        """Raises like `open_connection`."""
