"""Asks a service's sentinels which server is its master, and that server whether it is one."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING, Final

import trio

from telemetry.chassis.errors import RedisError, RedisMoved, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.electing import Address, address_in, next_candidate, role_in
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import encode
from telemetry.chassis.redis.server import open_for_question

if TYPE_CHECKING:
    from telemetry.chassis.config.redis_target import RedisTarget
    from telemetry.chassis.config.sentinel_url import SentinelGroup

# The machine of a sentinel is often the old master's, and gone with it: it must not hold up the way to the new one.
LIMITS: Final = RedisLimits(connect_timeout_ms=1_000, silence_ms=1_000)
ROLE: Final = encode("ROLE")
MASTER: Final = "master"
# In the place of the first word of an error of Redis.
REFUSED: Final = "SENTINEL"


async def find_master(target: RedisTarget, limits: RedisLimits = LIMITS) -> RedisTarget:
    """The server that is the master by now. Raises RedisUnavailable if the sentinels lead to no master."""
    return await _Search(target, limits).run()


class _Search:
    """All sentinels are asked at once; the first server that enough of them name, and that is a master, is it."""

    def __init__(self, target: RedisTarget, limits: RedisLimits) -> None:
        assert target.sentinels is not None
        self._target = target
        self._group: SentinelGroup = target.sentinels
        self._limits = limits
        self._named: list[Address] = []
        self._refuted: set[Address] = set()
        self._failures: list[RedisError] = []

    async def run(self) -> RedisTarget:
        places = self._group.places
        unheard = len(places)
        heard, hear = trio.open_memory_channel[Address | None](unheard)
        async with trio.open_nursery() as nursery:
            for place in places:
                nursery.start_soon(self._ask, place, heard)
            while unheard:
                unheard -= 1
                if (address := await hear.receive()) is not None:
                    self._named.append(address)
                if (found := await self._try(unheard)) is not None:
                    nursery.cancel_scope.cancel()
                    return found
        raise self._failure()

    async def _try(self, unheard: int) -> RedisTarget | None:
        """Try the candidates that there are already."""
        sentinels = len(self._group.places)
        while candidate := next_candidate(
            self._named, self._refuted, sentinels=sentinels, unheard=unheard
        ):
            server = self._target.found_at(*candidate)
            try:
                await self._check(server)
            except RedisError as error:
                self._refuted.add(candidate)
                self._failures.append(error)
            else:
                return server
        return None

    async def _ask(
        self, place: tuple[str, int], heard: trio.MemorySendChannel[Address | None]
    ) -> None:
        """Report what one sentinel answers, or None."""
        host, port = place
        group, service = self._group, self._group.service
        sentinel = dataclasses.replace(
            self._target.found_at(host, port),
            username=group.username,
            password=group.password,
            service=None,
        )
        address = None
        try:
            connection = await open_for_question(sentinel, limits=self._limits)
            with closing(connection):
                reply = await connection.request(
                    encode("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
                )
            address = address_in(reply)
            if address is None:
                reason = f"the sentinel knows no service {service!r}"
                self._failures.append(RedisRefused(reason, where=sentinel.where, code=REFUSED))
        except RedisError as error:
            self._failures.append(error)
        except TypeError as error:
            reason = f"{error}: is it a sentinel?"
            self._failures.append(RedisUnavailable(reason, where=sentinel.where))
        heard.send_nowait(address)

    async def _check(self, server: RedisTarget) -> None:
        """Raises RedisUnavailable or RedisMoved if the server is no master, or not yet.

        What else it refuses is found again, and said, by whoever opens a connection to it.
        """
        try:
            with closing(await open_for_question(server, limits=self._limits)) as connection:
                role = role_in(await connection.request(ROLE))
        except RedisMoved:
            raise
        except RedisRefused:
            return  # A replica whose user may not ask for its role says READONLY to the first write.
        except TypeError as error:
            raise RedisUnavailable(f"{error}: is it a Redis?", where=server.where) from None
        if role != MASTER:
            raise RedisUnavailable(
                f"it is named as the master, and is a {role}", where=server.where
            )

    def _failure(self) -> RedisError:
        reasons = "; ".join(dict.fromkeys(map(str, self._failures)))
        text, where = f"no master was found: {reasons}", self._group.where
        if all(error.is_refusal and not error.wants_new_connection for error in self._failures):
            return RedisRefused(text, where=where, code=REFUSED)
        return RedisUnavailable(text, where=where)
