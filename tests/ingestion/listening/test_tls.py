"""TLS listeners, tried with real certificates and handshakes."""

from __future__ import annotations

import logging
import ssl
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
import trio
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from trio.testing import MockClock

from ingestion.listening.options import TlsOptions
from ingestion.listening.tls import LOOK_EVERY_S, Certificate
from telemetry.chassis.errors import ConfigError
from tests.support.listening_harness import HOST, Listening, Served
from tests.support.proxy_headers import LOGIN, v1

if TYPE_CHECKING:
    from pathlib import Path

NAME = "devices.test"


class Files:
    """The certificate's files on disk, which can be written again."""

    def __init__(self, directory: Path, authority: trustme.CA) -> None:
        self.authority = authority
        self.options = TlsOptions(0, directory / "cert.pem", directory / "key.pem")
        self.write(authority.issue_cert(NAME))

    def write(self, certificate: trustme.LeafCert) -> None:
        self.write_cert(certificate)
        self.write_key(certificate)

    def write_cert(self, certificate: trustme.LeafCert) -> None:
        certificate.cert_chain_pems[0].write_to_path(str(self.options.cert_file))

    def write_key(self, certificate: trustme.LeafCert) -> None:
        certificate.private_key_pem.write_to_path(str(self.options.key_file))


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path, authority)


@pytest.fixture
def mock_clock() -> MockClock:
    """Stands still until a test moves it."""
    return MockClock()


async def device_of(served: Served, authority: trustme.CA) -> trio.SSLStream[trio.SocketStream]:
    """A device that trusts the authority, and has not begun the handshake."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    stream = await trio.open_tcp_stream(HOST, served.port("tls"))
    return trio.SSLStream(stream, context, server_hostname=NAME, https_compatible=True)


async def serial_seen(served: Served, authority: trustme.CA) -> str:
    """The serial number of the certificate that a new device is shown."""
    async with await device_of(served, authority) as device:
        await device.do_handshake()
        shown = device.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


async def look(clock: MockClock, listening: Listening, line: str) -> None:
    """Let time pass until the watch has written this line."""
    with trio.fail_after(60):
        while not any(line in each for level in (20, 30) for each in listening.lines(level)):
            clock.jump(LOOK_EVERY_S)
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_a_device_talks_over_tls_as_it_does_without(
    listening: Listening, files: Files
) -> None:
    async with listening.run(tls=files.options) as served:
        device = await device_of(served, files.authority)
        await device.send_all(LOGIN)
        await served.until_received(LOGIN)
        connection = await served.first()
        assert connection.transport == "tls"
        await connection.stream.send_all(b"\x01")
        assert await device.receive_some() == b"\x01"
        # As mobile links end: without the alert of TLS.
        await device.transport_stream.aclose()
        await served.until_over()
        assert served.broken == []
    assert listening.refused == {}
    assert listening.lines() == []


async def test_what_was_written_before_fin_reaches_the_device(
    listening: Listening, files: Files
) -> None:
    async with (
        listening.run(tls=files.options) as served,
        await device_of(served, files.authority) as device,
    ):
        await device.do_handshake()
        connection = await served.first()
        await connection.stream.send_all(b"\x00\x00\x00\x05")
        connection.shutdown()
        assert await device.receive_some() == b"\x00\x00\x00\x05"
        assert await device.receive_some() == b""


async def test_another_task_may_close_it_while_the_session_waits(
    listening: Listening, files: Files
) -> None:
    async with (
        listening.run(tls=files.options) as served,
        await device_of(served, files.authority) as device,
    ):
        await device.do_handshake()
        (await served.first()).close()
        await served.until_over()


@pytest.mark.parametrize(
    "garbage", [LOGIN, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff" * 100]
)
async def test_garbage_instead_of_a_handshake_is_refused_and_harms_nobody(
    listening: Listening, files: Files, garbage: bytes
) -> None:
    async with listening.run(tls=files.options) as served:
        async with await trio.open_tcp_stream(HOST, served.port("tls")) as stranger:
            await stranger.send_all(garbage)
            await stranger.send_eof()
            await served.until_over()
        assert await serial_seen(served, files.authority)
    assert listening.refused == {"tls": 1}
    assert listening.lines() == []
    assert any("reason=tls" in line for line in listening.lines(logging.DEBUG))


async def test_a_device_that_does_not_trust_the_certificate_is_refused(
    listening: Listening, files: Files
) -> None:
    async with listening.run(tls=files.options) as served:
        async with await device_of(served, trustme.CA()) as device:
            with pytest.raises(trio.BrokenResourceError):
                await device.do_handshake()
        await served.until_over()
    assert listening.counts.probes == 0


async def test_a_connection_that_ends_without_a_byte_is_a_probe(
    listening: Listening, files: Files
) -> None:
    async with listening.run(tls=files.options) as served:
        await (await trio.open_tcp_stream(HOST, served.port("tls"))).aclose()
        await served.until_over()
    assert listening.counts.probes == 1
    assert listening.refused == {}


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x00\x05"])
async def test_the_login_clock_runs_during_the_handshake(
    listening: Listening, files: Files, mock_clock: MockClock, begun: bytes
) -> None:
    async with (
        listening.run(tls=files.options, login_timeout_ms=5000) as served,
        await trio.open_tcp_stream(HOST, served.port("tls")) as device,
    ):
        await device.send_all(begun)
        await served.until(lambda: bool(served.connections))
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(4.9)
        await trio.testing.wait_all_tasks_blocked()
        assert served.over == []
        mock_clock.jump(0.2)
        await served.until_over()
    assert listening.refused == {"tls": 1}


async def test_new_files_are_taken_and_who_is_connected_stays(
    listening: Listening, files: Files, mock_clock: MockClock
) -> None:
    async with listening.run(tls=files.options) as served:
        device = await device_of(served, files.authority)
        await device.send_all(b"before")
        await served.until_received(b"before")
        before = await serial_seen(served, files.authority)
        files.write(files.authority.issue_cert(NAME))
        await look(mock_clock, listening, "certificate renewed")
        assert await serial_seen(served, files.authority) != before
        await device.send_all(b" and after")
        await served.until_received(b"before and after")
        await device.aclose()
    assert listening.lines() == []


async def test_a_pair_that_does_not_fit_is_ignored_until_it_fits(
    listening: Listening, files: Files, mock_clock: MockClock
) -> None:
    async with listening.run(tls=files.options) as served:
        before = await serial_seen(served, files.authority)
        renewed = files.authority.issue_cert(NAME)
        files.write_cert(renewed)
        await look(mock_clock, listening, "certificate not renewed")
        (line,) = listening.lines()
        assert "TLS_CERT_FILE, TLS_KEY_FILE: key values mismatch" in line
        assert await serial_seen(served, files.authority) == before
        files.write_key(renewed)
        await look(mock_clock, listening, "certificate renewed")
        assert await serial_seen(served, files.authority) != before


async def test_a_pair_that_is_written_file_by_file_is_no_fault(
    listening: Listening, files: Files, mock_clock: MockClock
) -> None:
    """A look in between finds a pair that does not fit, and says nothing yet."""
    async with listening.run(tls=files.options) as served:
        renewed = files.authority.issue_cert(NAME)
        files.write_cert(renewed)
        certificate = served.listeners._certificate
        assert certificate is not None
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(LOOK_EVERY_S)
        with trio.fail_after(60):
            while certificate._doubted is None:
                await trio.testing.wait_all_tasks_blocked(0.01)
        files.write_key(renewed)
        await look(mock_clock, listening, "certificate renewed")
    assert listening.lines() == []


async def test_a_file_that_has_gone_is_ignored_until_it_is_back(
    listening: Listening, files: Files, mock_clock: MockClock
) -> None:
    async with listening.run(tls=files.options) as served:
        before = await serial_seen(served, files.authority)
        files.options.key_file.unlink()
        await look(mock_clock, listening, "certificate not renewed")
        assert await serial_seen(served, files.authority) == before


def test_a_pair_that_does_not_fit_at_the_start_is_a_fault_of_the_configuration(
    listening: Listening, files: Files
) -> None:
    files.write_key(files.authority.issue_cert(NAME))
    with pytest.raises(ConfigError, match="key values mismatch; set both to PEM files"):
        Certificate(files.options, listening.journal)


def test_a_key_with_a_passphrase_is_a_fault_and_nobody_is_asked_for_it(
    listening: Listening, files: Files
) -> None:
    key = load_pem_private_key(files.options.key_file.read_bytes(), None)
    files.options.key_file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    )
    with pytest.raises(ConfigError, match="the private key has a passphrase"):
        Certificate(files.options, listening.journal)


async def test_behind_a_proxy_its_header_comes_before_the_handshake(
    listening: Listening, files: Files
) -> None:
    async with (
        listening.run(
            tls=files.options, proxy_protocol="any", proxy_trusted=(ip_network("127.0.0.1"),)
        ) as served,
        await device_of(served, files.authority) as device,
    ):
        await device.transport_stream.send_all(v1("203.0.113.7"))
        await device.send_all(LOGIN)
        await served.until_received(LOGIN)
        connection = await served.first()
        assert (connection.address, connection.transport) == ("203.0.113.7:4711", "tls")
    assert listening.refused == {}
