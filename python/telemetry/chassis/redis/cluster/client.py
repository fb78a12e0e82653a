"""The `redis` package's blocking client, which goes where a cluster sends it: for tools and operators' commands."""

from __future__ import annotations

import time
from typing import Any, Final

import redis
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

# A replica takes over within seconds, a slot moves in less; then the command says what is the matter.
PATIENCE_S: Final = 3.0
AGAIN_S: Final = 0.1


class FollowingClient(redis.Redis):
    """A client of one server, or of the node of a cluster that has the keys which its commands name.

    It begins where the URL leads, and stays where it was sent last, until `begin_again`. On a single server it is the
    package's client.
    """

    # Where the URL leads, once it was sent on.
    _first_pool: redis.ConnectionPool | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as the package has it
        """As the package has it, with redirections followed."""
        until_s = time.monotonic() + PATIENCE_S
        pause_s = 0.0
        while True:
            try:
                return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            except MovedError as moved:
                self._go_to(moved)
                refusal: redis.ResponseError = moved
            except AskError as ask:
                try:
                    return self._asked(ask, args, options)
                except (MovedError, TryAgainError) as error:
                    refusal = error
            except (ClusterDownError, TryAgainError) as error:
                refusal = error
            if time.monotonic() > until_s:
                raise refusal
            # MOVED is followed at once, unless the nodes do not agree yet.
            time.sleep(pause_s if isinstance(refusal, MovedError) else AGAIN_S)
            pause_s = AGAIN_S

    def begin_again(self) -> None:
        """Go back to where the URL leads: the node that it was sent to does not answer, and may never do so again."""
        if self._first_pool is not None:
            self.connection_pool.disconnect()
            self.connection_pool, self._first_pool = self._first_pool, None

    def _go_to(self, moved: MovedError) -> None:
        """From here on work with this node; subscriptions stay where they are, since any node has all messages."""
        before = self.connection_pool
        if self._first_pool is None:
            self._first_pool = before
        before.disconnect(inuse_connections=False)
        # Another pool: the connections of this one keep their address, whatever it says.
        self.connection_pool = redis.ConnectionPool(
            self._connection_class, before.max_connections, **self._arguments(moved)
        )

    def _asked(self, ask: AskError, args: tuple[Any, ...], options: dict[str, Any]) -> Any:  # noqa: ANN401  # any reply
        """Send one command to the node that the slot is moving to."""
        there = self._connection_class(**self._arguments(ask))
        try:
            there.send_command("ASKING")
            there.read_response()
            there.send_command(*args)
            return self.parse_response(there, args[0], **options)  # type: ignore[no-untyped-call]
        finally:
            there.disconnect()

    @property
    def _connection_class(self) -> type[Any]:
        # A Unix socket leads to a node of this machine, and from there on it is TCP.
        own = self.connection_pool.connection_class
        return redis.Connection if own is redis.UnixDomainSocketConnection else own

    def _arguments(self, error: AskError) -> dict[str, Any]:
        """Those of a connection to the node that an error names; without a host it is the one that answered."""
        own = self.connection_pool.connection_kwargs
        host = error.host or own.get("host", "localhost")
        kept = {name: value for name, value in own.items() if name != "path"}
        return {**kept, "host": host, "port": error.port}
