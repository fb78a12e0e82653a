"""A service that takes requests on a real Redis, and what it reports."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from redis import Redis

from telemetry.chassis.backoff import Backoff
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.messages import MESSAGE_BYTES_MAX, reply_channel
from telemetry.chassis.control.responder import Caller, CannotDo, Carrier, InParts, Responder
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.subscription import SubscriptionOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from dev.servers import RedisServer
    from telemetry.chassis.control.messages import Answer, Dropped, Request

# Far beyond what any of it takes.
WAIT_S_MAX = 20.0


class Noted:
    """A journal whose reports a test can wait for."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self._news = trio.Event()

    def request_taken(self, name: str) -> None:
        self._note(f"taken {name}")

    def request_failed(self, name: str, *, error: str) -> None:
        self._note(f"failed {name} {error}")

    def control_message_dropped(self, reason: Dropped) -> None:
        self._note(f"dropped {reason.value}")

    def control_lost(self, *, error: str) -> None:
        self._note(f"lost {error}")

    def control_ready(self) -> None:
        self._note("ready")

    def _note(self, report: str) -> None:
        self.reports.append(report)
        self._news.set()
        self._news = trio.Event()

    def count(self, beginning: str) -> int:
        return sum(report.startswith(beginning) for report in self.reports)

    async def until(self, beginning: str, times: int = 1) -> None:
        """Return when so many reports begin so."""
        with trio.fail_after(WAIT_S_MAX):
            while self.count(beginning) < times:
                await self._news.wait()


class Control:
    """A channel, an operator's client, and the services that take requests there."""

    def __init__(self, server: RedisServer, client: Redis, channel: str) -> None:
        """`client` is the test's own, an administrator's."""
        self.server, self.client, self.channel = server, client, channel
        self.carried: list[Mapping[str, Any]] = []
        self.goes_on = trio.Event()
        # Each who has asked for parts: whoever serves it holds it.
        self.callers: list[Caller] = []
        self.responders: list[Responder] = []

    async def echo(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        self.carried.append(arguments)
        await trio.lowlevel.checkpoint()
        return {"echo": dict(arguments)}

    async def count(self, caller: Caller, arguments: Mapping[str, Any]) -> Mapping[str, object]:
        self.callers.append(caller)
        for number in range(arguments["parts"]):
            await caller.tell({"number": number})
        return {"counted": arguments["parts"]}

    async def wait(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        self.carried.append(arguments)
        await self.goes_on.wait()
        return {"waited": True}

    async def refuse(self, _arguments: Mapping[str, object]) -> Mapping[str, object]:
        raise CannotDo("not on a Sunday")

    async def fail(self, _arguments: Mapping[str, object]) -> Mapping[str, object]:
        raise KeyError("k")

    @asynccontextmanager
    async def answering(
        self, *instance_ids: str, url: str | None = None, limits: RedisLimits | None = None
    ) -> AsyncIterator[list[Noted]]:
        """Services of these names until the block ends; their journals."""
        options = SubscriptionOptions(
            homes=Homes(redis_target(url or self.server.processor_url)),
            channel=self.channel,
            name=f"test/{self.channel}:requests",
            message_bytes_max=MESSAGE_BYTES_MAX,
            limits=limits or RedisLimits(),
        )
        carriers: dict[str, Carrier | InParts] = {
            "echo": self.echo,
            "wait": self.wait,
            "count": InParts(self.count),
            "refuse": self.refuse,
            "fail": self.fail,
        }
        journals = [Noted() for _ in instance_ids]
        async with trio.open_nursery() as nursery:
            for instance_id, journal in zip(instance_ids, journals, strict=True):
                responder = Responder(
                    options,
                    carriers,
                    instance_id=instance_id,
                    journal=journal,
                    backoff=Backoff(base_ms=10, max_ms=50),
                )
                self.responders.append(responder)
                nursery.start_soon(responder.run)
            yield journals
            nursery.cancel_scope.cancel()

    async def ask(self, name: str, **options: Any) -> list[Answer]:
        """As a command does, in a thread: its client blocks."""

        def asking() -> list[Answer]:
            with Redis.from_url(self.server.operator_url) as operator:
                return ask(operator, self.channel, name, **options)

        return await trio.to_thread.run_sync(asking)

    async def publish(self, message: bytes) -> int:
        return int(await trio.to_thread.run_sync(self.client.publish, self.channel, message))

    def replies_to(self, request: Request) -> Any:
        """A subscription to the answers of a request."""
        replies = self.client.pubsub()  # type: ignore[no-untyped-call]
        replies.subscribe(reply_channel(self.channel, request.id))
        assert replies.get_message(timeout=WAIT_S_MAX)["type"] == "subscribe"
        return replies

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Have somebody listen to every answer until the block ends."""
        with self.client.pubsub() as replies:  # type: ignore[no-untyped-call]
            replies.psubscribe(f"{self.channel}:reply:*")
            assert replies.get_message(timeout=WAIT_S_MAX)["type"] == "psubscribe"
            yield

    def kill_connections(self) -> int:
        """Cut what the services have open; how many connections there were."""
        mine = [
            each["id"]
            for each in self.client.client_list(_type="pubsub")
            if each["name"] == f"test/{self.channel}:requests"
        ]
        for number in mine:
            self.client.client_kill_filter(_id=number)
        return len(mine)


@pytest.fixture
def control(redis_server: RedisServer, redis_client: Redis, stream_name: str) -> Control:
    return Control(redis_server, redis_client, f"{stream_name}:group:control")
