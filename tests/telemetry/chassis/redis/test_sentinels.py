"""Finding a master by its sentinels: some are away, silent, refuse, know nothing, or name a server that is not one."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers.ports import HOST, free_port
from telemetry.chassis.config.redis_target import RedisTarget, redis_target
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.sentinels import find_master
from tests.support.peers import answering, peer, silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Talk = Callable[[trio.SocketStream], Awaitable[None]]

SHORT = RedisLimits(connect_timeout_ms=100, silence_ms=100)
# Far more than one silence.
BOUND_S = 10.0
MASTER = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
REPLICA = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"
UNKNOWN = b"*-1\r\n"
OK = b"+OK\r\n"


def naming(port: int) -> Talk:
    """A sentinel that names the server on this port."""
    return answering(
        b"*2\r\n$%d\r\n%b\r\n$%d\r\n%d\r\n" % (len(HOST), HOST.encode(), len(str(port)), port)
    )


@asynccontextmanager
async def peers(*talks: Talk) -> AsyncIterator[list[int]]:
    """The ports where they are served."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(peer(talk)) for talk in talks]


def led_by(ports: list[int], *, user: str = "", options: str = "") -> RedisTarget:
    places = ",".join(f"{HOST}:{port}" for port in ports)
    return redis_target(f"redis+sentinel://{user}{places}/fleet{options}")


async def found(target: RedisTarget) -> int:
    """The port of the master that is found."""
    with trio.fail_after(BOUND_S):
        return (await find_master(target, SHORT)).port


@pytest.mark.parametrize(
    "others",
    [
        [silent, silent],
        [answering(UNKNOWN), answering(b"-NOAUTH Authentication required.\r\n")],
        [answering(b"HTTP/1.1 400 Bad Request\r\n"), answering(b":7\r\n")],
        [],
    ],
)
async def test_one_sentinel_is_enough_whatever_the_others_do(others: list[Talk]) -> None:
    async with peer(answering(MASTER)) as master, peers(*others, naming(master)) as sentinels:
        assert await found(led_by([*sentinels, free_port()])) == master


async def test_a_sentinel_that_names_an_old_master_is_passed_over() -> None:
    async with (
        peer(answering(MASTER)) as master,
        peer(answering(REPLICA)) as replica,
        peers(naming(replica), naming(free_port()), naming(master)) as sentinels,
    ):
        assert await found(led_by(sentinels)) == master


async def test_an_old_master_that_came_back_as_a_master_is_outvoted() -> None:
    async with (
        peers(answering(MASTER), answering(MASTER)) as [old, new],
        peers(naming(old), naming(new), naming(new)) as sentinels,
    ):
        for _ in range(5):
            assert await found(led_by(sentinels)) == new


async def test_a_server_that_does_not_say_its_role_is_taken() -> None:
    refusing = answering(b"-NOPERM this user has no permissions to run the 'role' command\r\n")
    async with peer(refusing) as master, peers(naming(master)) as sentinels:
        assert await found(led_by(sentinels)) == master


async def test_a_server_that_is_loading_is_no_master_yet() -> None:
    loading = answering(b"-LOADING Redis is loading the dataset in memory\r\n")
    async with peer(loading) as master, peers(naming(master)) as sentinels:
        with pytest.raises(RedisUnavailable, match=r"no master was found: .*LOADING"):
            await found(led_by(sentinels))


async def test_the_sentinels_get_their_password_and_the_server_gets_its_own() -> None:
    heard: list[bytes] = []

    def listening(*answers: bytes) -> Talk:
        async def talk(stream: trio.SocketStream) -> None:
            for answer in answers:
                heard.append(await stream.receive_some(65_536))
                await stream.send_all(answer)
            await trio.sleep_forever()

        return talk

    async with peer(listening(OK, MASTER)) as master:
        address = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(master)), master)
        async with peer(listening(OK, address)) as sentinel:
            options = "?sentinel_username=watch&sentinel_password=dog"
            assert await found(led_by([sentinel], user="data:base@", options=options)) == master
    words = [tuple(each.split(b"\r\n")[2::2]) for each in heard]
    assert words == [
        (b"AUTH", b"watch", b"dog"),
        (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"fleet"),
        (b"AUTH", b"data", b"base"),
        (b"ROLE",),
    ]


async def test_no_master_is_an_outage_that_names_each_reason_and_no_secret() -> None:
    async with (
        peer(answering(OK, REPLICA)) as replica,
        peers(naming(replica), answering(UNKNOWN)) as sentinels,
    ):
        target = led_by([*sentinels, free_port()], user=":hush@")
        with pytest.raises(RedisUnavailable) as caught:
            await found(target)
    text = str(caught.value)
    assert text.startswith(f"fleet (sentinels {HOST}:{sentinels[0]}, {HOST}:{sentinels[1]}, ")
    assert f"fleet ({HOST}:{replica}): it is named as the master, and is a slave" in text
    assert f"{HOST}:{sentinels[1]}: the sentinel knows no service 'fleet'" in text
    assert "cannot connect: Connection refused" in text
    assert "hush" not in text


async def test_what_all_sentinels_refuse_is_a_refusal() -> None:
    refusing = answering(b"-NOAUTH Authentication required.\r\n")
    async with peers(refusing, answering(UNKNOWN)) as sentinels:
        with pytest.raises(RedisRefused, match="knows no service") as caught:
            await found(led_by(sentinels))
    assert caught.value.is_refusal
