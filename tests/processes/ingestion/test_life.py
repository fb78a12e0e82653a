"""One life on a real server: a device logs in and is answered for what is in the stream; a stop request ends it."""

from __future__ import annotations

import json
import ssl
import struct
from typing import TYPE_CHECKING

from tests.support.ingestion import ADMITTED, HOST, Device, entries, iso_times, published
from tests.support.ingestion_frames import framed, imei_of, tcp_frame, times_ms

if TYPE_CHECKING:
    from pathlib import Path

    import trustme
    from redis import Redis

    from tests.support.ingestion import Ingest


def test_a_device_is_answered_for_what_is_in_the_stream(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with service.login() as device:
        for number in range(3):
            assert device.ask(tcp_frame(number)) == 5
            sent = [each for n in range(number + 1) for each in times_ms(n)]
            assert published(redis_client, stream_name) == [
                (imei_of(1), ts) for ts in iso_times(sent)
            ]
        assert service.stop() == 0
        assert device.until_closed() == b""
    assert service.messages[-2:] == [
        "shutdown: starting signal=SIGTERM",
        "shutdown: clean exit",
    ]


def test_a_device_is_answered_over_tls_as_it_is_without(
    ingest: Ingest,
    redis_client: Redis,
    stream_name: str,
    tmp_path: Path,
    authority: trustme.CA,
    authority_file: Path,
) -> None:
    certificate = authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    service = ingest(
        TELTONIKA_TLS_PORT="0",
        TLS_CERT_FILE=str(tmp_path / "cert.pem"),
        TLS_KEY_FILE=str(tmp_path / "key.pem"),
    ).ready()
    with Device(service.port_of("tls"), imei_of(1)) as device:
        context = ssl.create_default_context(cafile=authority_file)
        device.socket = context.wrap_socket(device.socket, server_hostname=HOST)
        assert device.login() == ADMITTED
        assert device.ask(tcp_frame(0)) == 5
        assert service.stop() == 0
        assert device.until_closed() == b""
    assert len(published(redis_client, stream_name)) == 5


def test_a_time_or_place_that_cannot_be_is_published_and_answered_like_any_other(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    latest_ms, never_set_ms = 2**64 - 1, 0
    off_the_globe = struct.pack(">iihhBh", 2_000_000_000, -2_000_000_000, 0, 0, 0, 0)
    records = b"".join(
        struct.pack(">QB", each, 0) + off_the_globe + bytes(6) for each in (latest_ms, never_set_ms)
    )
    service = ingest().ready()
    with service.login() as device:
        assert device.ask(framed(bytes([8, 2]) + records + bytes([2]))) == 2
    (_, latest), (_, never_set) = published(redis_client, stream_name)
    assert latest.startswith("+584556019-")
    assert never_set == "1970-01-01T00:00:00.000Z"
    [position, _] = (json.loads(each[b"payload"]) for each in entries(redis_client, stream_name))
    assert (position["longitude"], position["latitude"]) == (200, -200)
