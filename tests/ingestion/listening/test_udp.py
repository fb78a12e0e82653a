"""Datagrams and their answers, tried with real sockets."""

from __future__ import annotations

import socket

import pytest
import trio

from ingestion.listening import udp
from tests.support.listening_harness import HOST, Listening


async def upper(data: bytes, _address: str) -> bytes | None:
    return data.upper() if data else None


def device(host: str) -> trio.socket.SocketType:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return trio.socket.socket(family, socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    ("bound", "written_to"),
    [
        ("::", "127.0.0.1"),
        ("::", "127.0.0.2"),
        ("::", "::1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # every address is what the test is about
        ("0.0.0.0", "127.0.0.2"),  # noqa: S104  # the same
        ("127.0.0.2", "127.0.0.2"),
    ],
)
async def test_an_answer_leaves_from_the_address_that_the_datagram_came_to(
    listening: Listening, bound: str, written_to: str
) -> None:
    """Without that the kernel takes the address of the route, and a device's NAT drops the answer."""
    async with listening.run(upper, host=bound, udp_port=0) as served:
        with device(written_to) as sender, trio.fail_after(10):
            await sender.sendto(b"abc", (written_to, served.port("udp")))
            answer, address = await sender.recvfrom(100)
    assert (answer, *address[:2]) == (b"ABC", written_to, served.port("udp"))


async def test_the_sender_is_named_without_the_wrapping_of_ipv4(listening: Listening) -> None:
    named: list[str] = []

    async def serve(_data: bytes, address: str) -> bytes:
        named.append(address)
        return b"answer"

    async with listening.run(serve, host="::", udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            await sender.sendto(b"abc", (HOST, served.port("udp")))
            await sender.recv(100)
            port = sender.getsockname()[1]
    assert named == [f"{HOST}:{port}"]


async def test_the_largest_datagram_arrives_whole_and_an_empty_one_harms_nobody(
    listening: Listening,
) -> None:
    largest = bytes(65_507)
    lengths: list[int] = []

    async def serve(data: bytes, _address: str) -> bytes | None:
        lengths.append(len(data))
        return b"answer" if data else None

    async with listening.run(serve, udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            await sender.sendto(b"", (HOST, served.port("udp")))
            await sender.sendto(largest, (HOST, served.port("udp")))
            assert await sender.recv(100) == b"answer"
    assert sorted(lengths) == [0, 65_507]


async def test_one_that_waits_does_not_hold_up_the_next(listening: Listening) -> None:
    redis = trio.Event()

    async def serve(data: bytes, _address: str) -> bytes:
        if data == b"slow":
            await redis.wait()
        return data

    async with listening.run(serve, udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            for data in (b"slow", b"fast"):
                await sender.sendto(data, (HOST, served.port("udp")))
            assert await sender.recv(100) == b"fast"
            redis.set()
            assert await sender.recv(100) == b"slow"


async def test_beyond_those_in_hand_a_datagram_is_dropped(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "IN_HAND_MAX", 3)
    redis = trio.Event()
    served_data: list[bytes] = []

    async def serve(data: bytes, _address: str) -> bytes:
        served_data.append(data)
        await redis.wait()
        return data

    async with listening.run(serve, udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            await sender.connect((HOST, served.port("udp")))
            for number in range(5):
                await sender.send(bytes([number]))
            while not listening.lines():
                await trio.lowlevel.checkpoint()
            redis.set()
            assert sorted([await sender.recv(9) for _ in range(3)]) == [b"\0", b"\1", b"\2"]
            await sender.send(b"once more")
            assert await sender.recv(9) == b"once more"
    assert sorted(served_data) == [b"\0", b"\1", b"\2", b"once more"]
    (line,) = listening.lines()
    assert line.startswith("datagrams are dropped: 3 are waiting")


async def test_a_sender_that_has_gone_harms_nobody(listening: Listening) -> None:
    """The kernel reports it to whoever uses the socket next."""
    async with listening.run(upper, udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            for _ in range(3):
                with device(HOST) as gone:
                    await gone.sendto(b"abc", (HOST, served.port("udp")))
            await sender.sendto(b"here", (HOST, served.port("udp")))
            assert await sender.recv(9) == b"HERE"
    assert listening.lines() == []


async def test_what_is_in_hand_at_the_stop_is_answered(listening: Listening) -> None:
    redis = trio.Event()
    begun = trio.Event()

    async def serve(data: bytes, _address: str) -> bytes:
        begun.set()
        await redis.wait()
        return data

    async with listening.run(serve, udp_port=0) as served:
        with device(HOST) as sender, trio.fail_after(10):
            await sender.connect((HOST, served.port("udp")))
            await sender.send(b"in hand")
            await begun.wait()
            served.listeners.close()
            await trio.testing.wait_all_tasks_blocked()
            await sender.send(b"too late")
            redis.set()
            assert await sender.recv(9) == b"in hand"
