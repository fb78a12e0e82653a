"""A real proxy in front of the listeners: what HAProxy writes is understood, and its health checks harm nobody."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers.programs import find_program
from ingestion.listening.options import TlsOptions
from tests.support.listening_harness import HOST, LOGGER, Listening
from tests.support.proxy_headers import LOGIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import trustme

    from tests.support.listening_harness import Served

pytestmark = pytest.mark.deployment("haproxy")

NAME = "devices.test"
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen proxy
  bind {bind}
  server ingestion {host}:{port} {options}
"""


@pytest.fixture
def listening(caplog: pytest.LogCaptureFixture) -> Listening:
    caplog.set_level(logging.DEBUG, logger=LOGGER)
    return Listening(caplog)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("v1", "send-proxy"),
        ("v2", "send-proxy-v2"),
        ("any", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    ],
)
async def test_a_device_behind_haproxy_is_known_by_its_own_address(
    listening: Listening, tmp_path: Path, host: str, version: str, options: str
) -> None:
    async with (
        behind_proxies(listening, version) as served,
        haproxy(tmp_path, host, served.port(), options) as port,
        await trio.open_tcp_stream(host, port) as device,
    ):
        await device.send_all(LOGIN)
        await served.until_received(LOGIN)
        own, own_port, *_ = device.socket.getsockname()
        shown = f"[{own}]:{own_port}" if ":" in own else f"{own}:{own_port}"
        assert (await served.first()).address == shown
    assert listening.refused == {}


async def test_tls_goes_through_haproxy_with_its_header_in_front(
    listening: Listening, tmp_path: Path, authority: trustme.CA
) -> None:
    certificate = authority.issue_cert(NAME)
    tls = TlsOptions(0, tmp_path / "cert.pem", tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(str(tls.cert_file))
    certificate.private_key_pem.write_to_path(str(tls.key_file))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with (
        behind_proxies(listening, "v2", tls=tls) as served,
        haproxy(tmp_path, HOST, served.port("tls"), "send-proxy-v2") as port,
        await trio.open_tcp_stream(HOST, port) as stream,
    ):
        device = trio.SSLStream(stream, context, server_hostname=NAME, https_compatible=True)
        await device.send_all(LOGIN)
        await served.until_received(LOGIN)
        assert (await served.first()).address.endswith(f":{stream.socket.getsockname()[1]}")
    assert listening.refused == {}


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
async def test_health_checks_of_haproxy_are_no_errors(
    listening: Listening, tmp_path: Path, options: str
) -> None:
    async with (
        behind_proxies(listening, "any") as served,
        haproxy(tmp_path, HOST, served.port(), f"{options} check inter 50ms"),
    ):
        await served.until_over(3)
    assert listening.refused == {}
    assert listening.lines() == []


def behind_proxies(
    listening: Listening, version: str, tls: TlsOptions | None = None
) -> AbstractAsyncContextManager[Served]:
    return listening.run(
        tls=tls, proxy_protocol=version, proxy_trusted=(ip_network("127.0.0.0/8"),)
    )


@asynccontextmanager
async def haproxy(tmp_path: Path, host: str, port: int, options: str) -> AsyncIterator[int]:
    """Run HAProxy on an address in front of a port of this machine; yields its own port."""
    with socket.create_server(
        (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    ) as free:
        own_port = free.getsockname()[1]
    file = tmp_path / "haproxy.cfg"
    file.write_text(
        CONFIGURATION.format(bind=f"{host}:{own_port}", host=HOST, port=port, options=options)
    )
    command = [str(find_program("haproxy")), "-db", "-f", str(file)]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.DEVNULL)
    try:
        await until_listening(host, own_port)
        yield own_port
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


async def until_listening(host: str, port: int) -> None:
    """Wait until the kernel has the listener in its table: to connect would be one more device for the service."""
    table = "/proc/net/tcp6" if ":" in host else "/proc/net/tcp"
    with trio.fail_after(20):
        while f":{port:04X} " not in await trio.Path(table).read_text():  # noqa: ASYNC110  # it has no events
            await trio.sleep(0.02)
