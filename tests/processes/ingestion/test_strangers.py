"""What a stranger can do: be closed at the first byte that tells, run into a clock, wait outside, or be refused."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.ingestion import ADMITTED, REFUSED, Device
from tests.support.ingestion_frames import imei_of, tcp_frame
from tests.support.processes import until

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.ingestion import Ingest, Ingestion

# Clocks that run out while a test waits, and how late a connection may be closed.
CLOCK_S = 0.5
LATE_S = 1.5
CLOCKS = dict.fromkeys(("LOGIN_TIMEOUT_MS", "FRAME_TIMEOUT_MS", "IDLE_TIMEOUT_MS"), "500")
LOGIN = b"\x00\x0f" + imei_of(1).encode()

# Each is closed at its last byte.
NO_LOGINS = {
    "tls": b"\x16",
    "http": b"G",
    "other_login": b"\x01",
    "bad_length": b"\x00\x10",
    "not_digits": b"\x00\x0f3563A",
}


@pytest.mark.parametrize("code", NO_LOGINS)
def test_what_is_no_login_is_closed_without_an_answer_at_the_first_byte_that_tells(
    ingest: Ingest, code: str
) -> None:
    service = ingest().ready()
    *before, telling = NO_LOGINS[code]
    with service.connect() as device:
        for byte in before:
            device.send(bytes([byte]))
        # All of it was taken in, and it may still become a login.
        with service.login(2):
            assert not device.has_heard()
        device.send(bytes([telling]))
        assert device.until_closed() == b""
    line = service.wait_for("no login")
    assert (line["level"], line["code"]) == ("warn", code)
    seen = service.metrics()
    assert seen['handshake_total{known="unknown",result="malformed"}'] == 1


def closed_after_s(device: Device) -> float:
    began = time.monotonic()
    assert device.until_closed() in {b"", ADMITTED}
    return time.monotonic() - began


def silent(service: Ingestion) -> Device:
    return service.connect()


def half_a_login(service: Ingestion) -> Device:
    device = service.connect()
    device.send(LOGIN[:5])
    return device


def half_a_frame(service: Ingestion) -> Device:
    device = service.login()
    device.send(tcp_frame(0)[:50])
    return device


def idle(service: Ingestion) -> Device:
    return service.login(2)


def test_each_clock_closes_a_connection_at_most_a_second_and_a_half_late(ingest: Ingest) -> None:
    service = ingest(**CLOCKS).ready()
    with ExitStack() as open_ones, ThreadPoolExecutor() as waiting:
        devices = [
            open_ones.enter_context(each(service))
            for each in (silent, half_a_login, half_a_frame, idle)
        ]
        for took_s in waiting.map(closed_after_s, devices):
            assert CLOCK_S - 0.1 < took_s < CLOCK_S + LATE_S
    service.wait_for("frame timed out")
    seen = service.until_metrics(connections_active=0)
    # The silent one is a login that did not come, and a connection without a byte.
    assert seen['handshake_total{known="unknown",result="timeout"}'] == 2
    assert seen["probes_total"] == 1


def test_a_byte_now_and_then_keeps_nobody_in_before_the_login_or_within_a_frame(
    ingest: Ingest,
) -> None:
    service = ingest(**{**CLOCKS, "IDLE_TIMEOUT_MS": "60000"}).ready()

    def drip(device: Device, data: bytes) -> float:
        """Send a byte every tenth of a second until it is closed."""
        began = time.monotonic()
        device.socket.settimeout(0.1)
        for byte in data:
            try:
                device.send(bytes([byte]))
                if not device.socket.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it is still open")
        return time.monotonic() - began

    with service.connect() as before, service.login(2) as within, ThreadPoolExecutor() as dripping:
        frame = tcp_frame(0, records=2)
        took = dripping.map(drip, (before, within), (LOGIN + LOGIN, frame))
        assert all(CLOCK_S - 0.1 < each < CLOCK_S + LATE_S for each in took)


def test_pings_keep_a_silent_device_in_and_get_no_answer(ingest: Ingest) -> None:
    service = ingest(IDLE_TIMEOUT_MS="1500").ready()
    with service.login(1) as pinging, service.login(2) as silent_one, ThreadPoolExecutor() as pool:
        silence = pool.submit(closed_after_s, silent_one)
        sent = 0
        while not silence.done():
            pinging.send(b"\xff")
            sent += 1
            time.sleep(0.2)  # the pace of a device, not a wait for something
        assert silence.result() < 1.5 + LATE_S
        assert pinging.ask(tcp_frame(0)) == 5
    assert service.metrics()["pings_total"] == sent


def test_connections_beyond_the_limit_wait_until_one_ends(ingest: Ingest) -> None:
    service = ingest(MAX_CONNECTIONS="2").ready()
    with service.login(1) as first, service.login(2), service.connect(3) as third:
        third.send(LOGIN)
        service.wait_for("connections full n=2")
        assert not third.has_heard()
        assert first.ask(tcp_frame(0)) == 5
        assert service.metrics()["connections_active"] == 2
        first.close()
        assert third.receive(1) == ADMITTED


def test_connections_of_one_address_beyond_its_limit_are_closed(ingest: Ingest) -> None:
    service = ingest(MAX_CONNECTIONS_PER_ADDRESS="2").ready()
    with ExitStack() as open_ones:
        for number in range(2):
            open_ones.enter_context(service.login(number))
        with service.connect(3) as third:
            assert third.until_closed() == b""
        with Device(service.port, imei_of(4), source="127.0.0.2") as elsewhere:
            assert elsewhere.login() == ADMITTED
    assert service.metrics()['connections_refused_total{reason="address"}'] == 1
    service.until_metrics(connections_active=0)
    with service.login(3):
        pass


def test_a_connection_that_ends_without_a_byte_is_a_probe(ingest: Ingest) -> None:
    service = ingest(LOG_LEVEL="debug").ready()
    service.connect().close()
    reset = service.connect()
    reset.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00" + bytes(4))
    reset.close()
    service.until_metrics(probes_total=2, connections_active=0)
    assert {line["level"] for line in service.logged("probe")} == {"debug"}
    assert [line for line in service.lines if line["level"] in {"warn", "error"}] == []


def test_a_header_of_a_proxy_is_needed_once_it_is_configured_and_names_the_device(
    ingest: Ingest,
) -> None:
    service = ingest(
        PROXY_PROTOCOL="v1", PROXY_TRUSTED="127.0.0.1/32", MAX_CONNECTIONS_PER_ADDRESS="1"
    ).ready()
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 5027\r\n"
    with service.connect(1) as proxied:
        proxied.send(header)
        assert proxied.login() == ADMITTED
        assert proxied.ask(tcp_frame(0)) == 5
        with service.connect(2) as second:
            # The announced address counts, and has its one connection.
            second.send(header)
            assert second.login() == b""
    with service.connect(3) as bare:
        assert bare.login() == b""
    with Device(service.port, imei_of(4), source="127.0.0.2") as untrusted:
        assert untrusted.until_closed() == b""
    seen = service.metrics()
    assert seen['connections_refused_total{reason="address"}'] == 1
    assert seen['connections_refused_total{reason="proxy"}'] == 2


def test_devices_that_are_not_listed_are_unknown_and_with_strict_authority_refused(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    redis_client.sadd(f"{stream_name}:devices", imei_of(1))
    lenient = ingest().ready()
    with lenient.login(1), lenient.login(2):
        seen = lenient.metrics()
    assert seen['handshake_total{known="known",result="accepted"}'] == 1
    assert seen['handshake_total{known="unknown",result="accepted"}'] == 1

    strict = ingest(STRICT_DEVICE_AUTH="true", DEVICE_REFRESH_MS="100").ready()
    with strict.login(1), strict.connect(2) as refused:
        began = time.monotonic()
        assert refused.login() == REFUSED
        refused.send(tcp_frame(0))
        assert refused.until_closed() == b""
        assert 1.9 < time.monotonic() - began < 2.0 + LATE_S
        assert strict.metrics()['handshake_total{known="unknown",result="rejected"}'] == 1
        line = strict.wait_for("login refused")
        assert (line["level"], line["imei"], line["code"]) == ("warn", imei_of(2), "not_listed")
    # Without the set the last list goes on.
    redis_client.delete(f"{stream_name}:devices")
    assert strict.wait_for("devices not read")["level"] == "warn"
    with strict.login(1), strict.connect(2) as still_refused:
        assert still_refused.login() == REFUSED
    redis_client.sadd(f"{stream_name}:devices", imei_of(2))
    until(lambda: admitted(strict, 2), "the new list is in force")
    assert redis_client.xlen(stream_name) == 0


def admitted(service: Ingestion, device: int) -> bool:
    with service.connect(device) as connected:
        return connected.login() == ADMITTED


def test_strict_authority_without_a_list_is_a_bad_configuration(ingest: Ingest) -> None:
    service = ingest(STRICT_DEVICE_AUTH="true")
    assert service.wait() == 78
    assert "DEVICE_ALLOWLIST_KEY" in service.lines[-1]["msg"]
