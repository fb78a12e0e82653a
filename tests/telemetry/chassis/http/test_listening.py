"""What the endpoints listen on, tried with real sockets."""

from __future__ import annotations

import socket

import pytest
import trio

from telemetry.chassis.errors import ConfigError
from telemetry.chassis.http import address_of, open_listeners

HOST = "127.0.0.1"


async def is_answered(host: str, listener: trio.SocketListener) -> bool:
    """Whether a client that goes to that host reaches the listener."""
    port = listener.socket.getsockname()[1]
    try:
        client = await trio.open_tcp_stream(host, port)
    except OSError:
        return False
    async with client, await listener.accept():
        return True


@pytest.mark.parametrize(
    ("listens_on", "four", "six"),
    [("::", True, True), ("0.0.0.0", True, False), ("::1", False, True), (HOST, True, False)],  # noqa: S104
)
async def test_every_address_of_ipv6_means_those_of_ipv4_too_and_no_other_address_does(
    listens_on: str, four: bool, six: bool
) -> None:
    (listener,) = await open_listeners(listens_on, 0)
    async with listener:
        with trio.fail_after(10):
            assert await is_answered("127.0.0.1", listener) is four
            assert await is_answered("::1", listener) is six


@pytest.mark.parametrize(
    ("host", "shown"), [(HOST, f"{HOST}:"), ("::1", "[::1]:"), ("::", "[::]:")]
)
async def test_an_address_is_shown_as_a_url_has_it(host: str, shown: str) -> None:
    (listener,) = await open_listeners(host, 0)
    async with listener:
        assert address_of(listener) == f"{shown}{listener.socket.getsockname()[1]}"


async def test_without_ipv6_the_error_names_the_variable_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with pytest.raises(ConfigError, match=r"has no IPv6; set METRICS_HOST=0\.0\.0\.0"):
        await open_listeners("::", 0)


async def test_a_port_in_use_is_a_fault_of_the_configuration() -> None:
    (listener,) = await open_listeners(HOST, 0)
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(ConfigError, match=f"METRICS_PORT: cannot listen on {HOST}:{port}: "):
            await open_listeners(HOST, port)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
async def test_an_address_of_another_machine_is_a_fault_of_the_configuration(host: str) -> None:
    with pytest.raises(ConfigError, match=f"METRICS_HOST, METRICS_PORT: cannot listen on {host}:0"):
        await open_listeners(host, 0)


async def test_a_port_that_ipv4_has_is_in_use_for_both() -> None:
    (listener,) = await open_listeners(HOST, 0)
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"cannot listen on \[::\]:{port}: Address already in use;"
        ):
            await open_listeners("::", port)
