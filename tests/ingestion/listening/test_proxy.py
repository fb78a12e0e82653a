"""Connections through a proxy that announces the device's address, tried with real sockets."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ingestion.listening.preamble import PROXY_HEADER_S_MAX
from tests.support.listening_harness import HOST, Listening
from tests.support.proxy_headers import LOGIN, v1, v2, v2_addresses

DEVICE = "203.0.113.7"
TRUSTED: dict[str, Any] = {"proxy_protocol": "any", "proxy_trusted": (ip_network("127.0.0.1"),)}
HEADERS = [
    pytest.param(v1(DEVICE), id="v1"),
    pytest.param(v2(v2_addresses(DEVICE) + b"\x04\x00\x03abc"), id="v2"),
]


@pytest.fixture
def mock_clock() -> MockClock:
    """Stands still until a test moves it."""
    return MockClock()


@pytest.mark.parametrize("header", HEADERS)
async def test_not_a_byte_of_the_login_is_lost_wherever_the_pieces_end(
    listening: Listening, header: bytes
) -> None:
    sent = header + LOGIN
    async with listening.run(**TRUSTED) as served:
        for cut in range(1, len(sent)):
            async with await trio.open_tcp_stream(HOST, served.port()) as device:
                await device.send_all(sent[:cut])
                await trio.testing.wait_all_tasks_blocked()
                await device.send_all(sent[cut:])
                await served.until(lambda: served.received.get(served.connections[-1]) == LOGIN)
            await served.until_over(cut)
            assert served.connections[-1].address == f"{DEVICE}:4711"
    assert listening.refused == {}


@pytest.mark.parametrize("header", HEADERS)
async def test_a_header_in_single_bytes_is_read(listening: Listening, header: bytes) -> None:
    async with (
        listening.run(**TRUSTED) as served,
        await trio.open_tcp_stream(HOST, served.port()) as device,
    ):
        for byte in header + LOGIN:
            await device.send_all(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        await served.until_received(LOGIN)


async def test_a_header_and_a_long_frame_at_once_are_kept_apart(listening: Listening) -> None:
    """More arrives than is peeked at."""
    frame = bytes(range(256)) * 8
    header = v2(v2_addresses(DEVICE) + b"\x04\x03\xe8" + bytes(1000))
    async with (
        listening.run(**TRUSTED) as served,
        await trio.open_tcp_stream(HOST, served.port()) as device,
    ):
        await device.send_all(header + frame)
        await served.until_received(frame)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"PROXY UNKNOWN\r\n", id="v1"),
        pytest.param(v2(command=0x20, family=0), id="v2"),
    ],
)
async def test_without_an_announcement_the_sockets_own_address_counts(
    listening: Listening, header: bytes
) -> None:
    async with (
        listening.run(**TRUSTED, max_connections_per_address=1) as served,
        await trio.open_tcp_stream(HOST, served.port()) as first,
        await trio.open_tcp_stream(HOST, served.port()) as second,
    ):
        await first.send_all(header)
        host, port = first.socket.getsockname()
        assert (await served.first()).address == f"{host}:{port}"
        await second.send_all(header)
        assert await second.receive_some() == b""
    assert listening.refused == {"address": 1}


async def test_the_announced_address_counts_for_the_limit_and_not_the_proxys(
    listening: Listening,
) -> None:
    async with listening.run(**TRUSTED, max_connections_per_address=1) as served:
        devices = [await trio.open_tcp_stream(HOST, served.port()) for _ in range(3)]
        for number, device in enumerate(devices):
            await device.send_all(v1(f"203.0.113.{number}") + LOGIN)
        await served.until(lambda: len(served.established) == 3)
        async with await trio.open_tcp_stream(HOST, served.port()) as once_more:
            await once_more.send_all(v1("203.0.113.1") + LOGIN)
            assert await is_closed(once_more)
        assert listening.refused == {"address": 1}
        for device in devices:
            await device.aclose()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(LOGIN, "does not begin with a header", id="a login"),
        pytest.param(b"GET / HTTP/1.1\r\n", "does not begin with a header", id="HTTP"),
        pytest.param(b"PROXY TCP4 " + b"1" * 97, "more than 107 bytes", id="v1 too long"),
        pytest.param(v2(bytes(2049))[:16], "may have 2048", id="v2 too long"),
        pytest.param(b"PROXY TCP4 1.2.3.4\r\n", "malformed", id="v1 malformed"),
    ],
)
async def test_once_on_a_connection_without_a_header_is_closed(
    listening: Listening, sent: bytes, reason: str
) -> None:
    async with listening.run(**TRUSTED) as served:
        async with await trio.open_tcp_stream(HOST, served.port()) as device:
            await device.send_all(sent)
            await served.until_over()
        assert served.received == {}
        assert served.established == []
    assert listening.refused == {"proxy": 1}
    (line,) = listening.lines()
    assert reason in line


@pytest.mark.parametrize("header", HEADERS)
async def test_a_connection_that_ends_within_its_header_is_refused(
    listening: Listening, header: bytes
) -> None:
    async with listening.run(**TRUSTED) as served:
        for cut in (1, len(header) - 1):
            async with await trio.open_tcp_stream(HOST, served.port()) as device:
                await device.send_all(header[:cut])
        await served.until_over(2)
    assert listening.refused == {"proxy": 2}
    assert listening.counts.probes == 0


async def test_a_connection_that_ends_without_a_byte_is_a_probe(listening: Listening) -> None:
    async with listening.run(**TRUSTED) as served:
        await (await trio.open_tcp_stream(HOST, served.port())).aclose()
        await served.until_over()
    assert listening.counts.probes == 1
    assert listening.refused == {}
    assert listening.lines() == []


@pytest.mark.parametrize("begun", [b"", v1(DEVICE)[:20]])
async def test_a_header_that_is_not_whole_after_three_seconds_is_refused(
    listening: Listening, mock_clock: MockClock, begun: bytes
) -> None:
    async with (
        listening.run(**TRUSTED) as served,
        await trio.open_tcp_stream(HOST, served.port()) as device,
    ):
        await device.send_all(begun)
        await served.until(lambda: bool(served.connections))
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(PROXY_HEADER_S_MAX - 0.01)
        await trio.testing.wait_all_tasks_blocked()
        assert served.over == []
        mock_clock.jump(0.02)
        await served.until_over()
    assert listening.refused == {"proxy": 1}
    assert "within 3 s" in listening.lines()[0]


@pytest.mark.parametrize(
    ("host", "own", "networks", "is_trusted"),
    [
        ("127.0.0.1", "127.0.0.1", ["127.0.0.0/8"], True),
        ("127.0.0.1", "127.0.0.2", ["127.0.0.1/32", "10.0.0.0/8"], False),
        ("127.0.0.1", "127.0.0.2", [], False),
        ("::1", "::1", ["::1/128"], True),
        ("::1", "::1", ["127.0.0.0/8", "2001:db8::/32"], False),
    ],
)
async def test_headers_from_trusted_networks_alone_are_believed(
    listening: Listening, host: str, own: str, networks: list[str], is_trusted: bool
) -> None:
    """Also where IPv4 comes through a socket of IPv6."""
    options: dict[str, Any] = {
        "host": "::",
        "proxy_protocol": "v1",
        "proxy_trusted": tuple(ip_network(each) for each in networks),
    }
    async with listening.run(**options) as served:
        async with await trio.open_tcp_stream(host, served.port(), local_address=own) as proxy:
            await proxy.send_all(v1(DEVICE) + LOGIN)
            if is_trusted:
                await served.until_received(LOGIN)
            else:
                assert await is_closed(proxy)
        assert bool(served.connections) is is_trusted
    assert listening.refused == ({} if is_trusted else {"proxy": 1})


async def test_nobody_to_trust_is_said_at_the_start(listening: Listening) -> None:
    async with listening.run(proxy_protocol="any"):
        assert ["PROXY_TRUSTED is empty" in line for line in listening.lines()] == [True]


async def test_a_scan_writes_one_warning_a_minute(listening: Listening) -> None:
    async with listening.run(**TRUSTED) as served:
        for number in range(5):
            async with await trio.open_tcp_stream(HOST, served.port()) as device:
                await device.send_all(b"GET ")
                await served.until_over(number + 1)
    assert listening.refused == {"proxy": 5}
    assert len(listening.lines()) == 1
    assert len([line for line in listening.lines(logging.DEBUG) if "reason=proxy" in line]) == 4


async def is_closed(stream: trio.SocketStream) -> bool:
    """Whether the server closes it: with FIN, or with RST if it has not read everything."""
    try:
        return not await stream.receive_some()
    except trio.BrokenResourceError:
        return True
