"""A connection that is subscribed to one channel and publishes on others; with RESP3 it does both."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import trio

from telemetry._codec import ReplyParser
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.errors import refusal_of
from telemetry.chassis.redis.pushes import NotAPush, Push, PushReader, Refusal, TooLong, Value
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from telemetry.chassis.redis.cluster.homes import Homes
    from telemetry.chassis.redis.connection import RedisConnection
    from telemetry.chassis.redis.limits import RedisLimits

PING = encode("PING")
# An older server, or a user that may not say HELLO.
NO_RESP3 = Refusal("NOPROTO requests need RESP3: a server of today, and the right to HELLO")


class Unheard(RedisUnavailable):
    """A message was published, and the server passed it to nobody."""


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """The channel, and the way to the server that it is on."""

    homes: Homes
    channel: str
    name: str
    """Of the connection, in CLIENT LIST."""
    message_bytes_max: int
    limits: RedisLimits


@dataclass(frozen=True, eq=False, slots=True)
class _Published:
    """A message on its way; equal to none other."""

    must_be_heard: bool


class Subscription:
    """One connection, until it fails; every method raises RedisUnavailable or RedisRefused then, and it is closed.

    One task receives, any may publish.
    """

    def __init__(self, connection: RedisConnection, options: SubscriptionOptions) -> None:
        self._connection = connection
        self._options = options
        self._reader = PushReader(options.message_bytes_max)
        self._waiting: list[Value] = []
        # Of each message that was published and whose count has not come: whether somebody has to hear it.
        self._uncounted: deque[_Published] = deque()

    def close(self) -> None:
        """Close the connection at once."""
        self._connection.close()

    async def publish(self, channel: str, message: bytes, *, must_be_heard: bool = True) -> None:
        """Publish for somebody who listens, or who perhaps still does.

        The server's answer is not waited for. If it is a refusal, or says that nobody has heard what must be heard,
        `messages` raises.
        """
        # A node of a cluster counts its own subscribers alone, and passes the message on to those of all others.
        published = _Published(must_be_heard and not self._connection.in_cluster)
        # The connection sends in the order of the calls.
        self._uncounted.append(published)
        try:
            await self._connection.send(encode("PUBLISH", channel, message))
        except BaseException:
            self._uncounted.remove(published)
            raise

    async def ping(self) -> NoReturn:
        """Ask for a sign of life every few seconds: also for a proxy, which closes what is silent."""
        while True:
            await trio.sleep(self._options.limits.idle_ms_max / 1000)
            await self._connection.send(PING)

    async def messages(self) -> Sequence[bytes | TooLong]:
        """The messages that come next, one at least; those that were too long to keep are TooLong."""
        while True:
            values = await self._receive()
            messages = [each for value in values if (each := self._message(value)) is not None]
            if messages:
                return messages

    async def subscribe(self) -> None:
        """Subscribe, and wait until the server has confirmed it."""
        await self._connection.send(encode("SUBSCRIBE", self._options.channel))
        while True:
            values = await self._receive()
            for number, value in enumerate(values):
                if isinstance(value, Refusal):
                    self._refuse(value)
                if isinstance(value, list):
                    self._refuse(NO_RESP3)
                if isinstance(value, Push) and value.items[:1] == (b"subscribe",):
                    self._waiting = values[number + 1 :]
                    return

    async def _receive(self) -> list[Value]:
        if self._waiting:
            values, self._waiting = self._waiting, []
            return values
        limits = self._options.limits
        # The server owes an answer to each PING.
        data = await self._connection.received(within_ms=limits.idle_ms_max + limits.silence_ms)
        try:
            return self._reader.feed(data)
        except NotAPush as error:
            self._fail(f"not the Redis protocol: {error}")

    def _message(self, value: Value) -> bytes | TooLong | None:
        match value:
            case Push((b"message", _, bytes() | TooLong() as message)):
                return message
            case Refusal():
                self._refuse(value)
            case int(listeners):
                # The number of those who got what we published. A replica passes its master's messages on to us, but
                # nobody asks there: the name may lead to another server by now.
                published = self._uncounted.popleft()
                if listeners == 0 and published.must_be_heard:
                    self.close()
                    raise Unheard("nobody listens here", where=self._options.homes.where)
        return None

    def _refuse(self, refusal: Refusal) -> NoReturn:
        self.close()
        raise refusal_of(refusal.message, where=self._options.homes.where)

    def _fail(self, reason: str) -> NoReturn:
        self.close()
        raise RedisUnavailable(reason, where=self._options.homes.where)


async def open_subscription(options: SubscriptionOptions) -> Subscription:
    """Connect and subscribe. Raises like `Homes.open`, and RedisRefused if the user may not subscribe."""
    connection = await options.homes.open(ReplyParser, name=options.name, limits=options.limits)
    subscription = Subscription(connection, options)
    try:
        await subscription.subscribe()
    except BaseException:
        subscription.close()
        raise
    return subscription
