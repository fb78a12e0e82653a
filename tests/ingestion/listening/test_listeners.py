from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ingestion.journal.statistics import LISTENERS
from ingestion.listening.listeners import Listeners
from ingestion.listening.options import TlsOptions
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.sockets import EVERY_IPV6
from tests.support.listening_harness import HOST, OPTIONS, Listening

if TYPE_CHECKING:
    from pathlib import Path


async def test_each_listener_that_is_on_says_its_address(listening: Listening) -> None:
    async with listening.run(udp_port=0) as served:
        addresses = served.listeners.addresses
        assert addresses == {
            "tcp": f"{HOST}:{served.port()}",
            "udp": f"{HOST}:{served.port('udp')}",
            "tls": None,
        }
        assert served.port() > 0
        assert served.port("udp") > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_by_default_both_families_are_listened_to(listening: Listening, host: str) -> None:
    async with listening.run(host=EVERY_IPV6) as served:
        assert served.listeners.addresses["tcp"] == f"[::]:{served.port()}"
        async with await trio.open_tcp_stream(host, served.port()) as device:
            await device.send_all(b"hello")
            await served.until_received(b"hello")
            name, port, *_ = device.socket.getsockname()
            shown = f"[{name}]:{port}" if ":" in host else f"{name}:{port}"
            assert served.connections[0].address == shown


class TwoAddresses(trio.abc.HostnameResolver):
    """Resolves every name to the two addresses of this machine."""

    async def getaddrinfo(self, host: Any, port: Any, *_: Any) -> list[Any]:
        assert host == b"both.test"
        return [
            (family, socket.SOCK_STREAM, 0, "", (address, port))
            for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, HOST))
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_name_with_two_addresses_has_one_port(listening: Listening) -> None:
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    async with listening.run(host="both.test") as served:
        for host in ("::1", HOST):
            await (await trio.open_tcp_stream(host, served.port())).aclose()
        await served.until_over(2)


@pytest.mark.parametrize(
    ("kind", "option", "variable"),
    [
        (socket.SOCK_STREAM, "port", "TELTONIKA_PORT"),
        (socket.SOCK_DGRAM, "udp_port", "TELTONIKA_UDP_PORT"),
    ],
)
async def test_a_port_in_use_is_a_fault_of_the_configuration(
    listening: Listening, kind: socket.SocketKind, option: str, variable: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((HOST, 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        listeners = Listeners(replace(OPTIONS, **{option: port}), listening.journal)
        with pytest.raises(
            ConfigError,
            match=f"^TELTONIKA_HOST, {variable}: cannot listen on {HOST}:{port}: Address already",
        ):
            await listeners.open()
        for _, opened in listeners._streams:
            assert opened.fileno() < 0, "what was opened before is closed again"


async def test_once_closed_nobody_is_accepted_and_who_is_there_goes_on(
    listening: Listening,
) -> None:
    async with (
        listening.run(udp_port=0) as served,
        await trio.open_tcp_stream(HOST, served.port()) as device,
    ):
        await served.first()
        served.listeners.close()
        with pytest.raises(OSError, match="onnect"):
            await trio.open_tcp_stream(HOST, served.port())
        await device.send_all(b"still here")
        await served.until_received(b"still here")


async def test_closing_ends_an_accept_loop_that_waits_for_room(listening: Listening) -> None:
    """The end of the block waits for the loop, while the house is still full."""
    async with AsyncExitStack() as devices, listening.run(max_connections=1) as served:
        for _ in range(2):
            await devices.enter_async_context(await trio.open_tcp_stream(HOST, served.port()))
        await listening.until_refused()


async def test_a_certificate_that_is_not_there_is_a_fault_of_the_configuration(
    listening: Listening, tmp_path: Path
) -> None:
    tls = TlsOptions(0, tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"^TLS_CERT_FILE, TLS_KEY_FILE: .*cert\.pem"):
        Listeners(replace(OPTIONS, tls=tls), listening.journal)


async def test_listeners_that_accept_are_no_obstacle(listening: Listening) -> None:
    async with listening.run():
        assert LISTENERS not in listening.journal.health().obstacles
