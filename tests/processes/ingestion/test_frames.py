"""What becomes of frames that are refused, empty, commands or repeated, and of a device that comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.ingestion import ADMITTED, entries, frozen, iso_times, published
from tests.support.ingestion_frames import framed, imei_of, tcp_frame, times_ms
from tests.support.processes import until
from tests.support.vectors import COMMAND, EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.ingestion import Ingest

SOUND = tcp_frame(0)
WRONG_CRC = SOUND[:-1] + bytes([SOUND[-1] ^ 1])
# Sound checksums, and what is in them is nothing.
UNDECODABLE = framed(bytes([8, 2, 0, 0, 0, 2]))
UNKNOWN_CODEC = framed(bytes([0x42, 2]) + bytes(50) + bytes([2]))
OVERSIZE = bytes(4) + (65_536).to_bytes(4)


def test_a_wrong_checksum_leaves_the_connection_open_once_and_closes_it_twice_in_a_row(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with service.login() as device:
        for number in range(2):
            device.send(WRONG_CRC)
            assert device.ask(tcp_frame(number)) == 5
        device.send(WRONG_CRC + WRONG_CRC)
        assert device.until_closed() == b""
    line = service.wait_for("frame refused")
    assert (line["level"], line["imei"], line["code"]) == ("warn", imei_of(1), "crc_fail")
    seen = service.metrics()
    assert seen['frames_total{codec="8",result="crc_fail"}'] == 4
    assert seen["log_lines_suppressed_total"] == 3
    assert redis_client.xlen(stream_name) == 10


@pytest.mark.parametrize(
    ("frame", "code", "result"),
    [
        (UNDECODABLE, "count_mismatch", 'codec="8",result="malformed"'),
        (UNKNOWN_CODEC, "unknown_codec", 'codec="other",result="unknown_codec"'),
        # Noticed from the eight bytes of a header on.
        (OVERSIZE, "oversize", 'codec="other",result="malformed"'),
        (b"\x00\x00\x00\x01" + bytes(4), "bad_preamble", 'codec="other",result="malformed"'),
    ],
    ids=["undecodable", "unknown codec", "oversize", "preamble"],
)
def test_everything_else_that_is_wrong_closes_the_connection(
    ingest: Ingest, redis_client: Redis, stream_name: str, frame: bytes, code: str, result: str
) -> None:
    service = ingest().ready()
    with service.login() as device:
        device.send(frame)
        assert device.until_closed() == b""
    line = service.wait_for("frame refused")
    assert (line["level"], line["imei"], line["code"]) == ("warn", imei_of(1), code)
    assert service.metrics()[f"frames_total{{{result}}}"] == 1
    assert redis_client.xlen(stream_name) == 0
    with service.login() as device:
        assert device.ask(SOUND) == 5


def test_a_frame_without_records_is_answered_with_nought_and_a_command_not_at_all(
    ingest: Ingest,
) -> None:
    service = ingest().ready()
    with service.login() as device:
        device.send(bytes.fromhex(COMMAND + EMPTY))
        assert device.answer() == 0
        assert device.ask(SOUND) == 5
    seen = service.metrics()
    assert seen['frames_total{codec="8",result="ok"}'] == 2
    assert seen['frames_total{codec="12",result="ok"}'] == 1
    assert seen['command_responses_total{codec="12"}'] == 1


def test_a_second_login_on_a_connection_is_answered_for_the_same_device_alone(
    ingest: Ingest,
) -> None:
    service = ingest().ready()
    with service.login(1) as device:
        assert device.login() == ADMITTED
        assert device.ask(SOUND) == 5
        device.imei = imei_of(2)
        assert device.login() == b""


def test_the_same_undecodable_frame_is_kept_the_fifth_time_over_all_connections(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()

    def refused() -> None:
        with service.login() as device:
            device.send(UNDECODABLE)
            assert device.until_closed() == b""

    refused()
    with service.login() as device:
        # Another frame resets the count.
        assert device.ask(SOUND) == 5
    for _ in range(4):
        refused()
    quarantine = f"{stream_name}:quarantine"
    assert not redis_client.exists(quarantine)
    with service.login() as device:
        assert device.ask(UNDECODABLE) == 2
        # The device goes on, and the same frame counts from one again.
        assert device.ask(tcp_frame(1)) == 5
        device.send(UNDECODABLE)
        assert device.until_closed() == b""
    [kept] = entries(redis_client, quarantine)
    assert kept.keys() == {b"imei", b"hex", b"code", b"error", b"received_at", b"instance"}
    assert kept[b"imei"].decode() == imei_of(1)
    assert bytes.fromhex(kept[b"hex"].decode()) == UNDECODABLE
    assert (kept[b"code"], kept[b"instance"]) == (b"count_mismatch", b"tcp-ingestion-1")
    assert service.metrics()["quarantined_total"] == 1
    assert redis_client.xlen(stream_name) == 10


def test_a_frame_is_not_answered_before_the_quarantine_has_it(
    ingest: Ingest, redis_server: RedisServer
) -> None:
    service = ingest(QUARANTINE_AFTER="1").ready()
    with service.login() as device:
        with frozen(redis_server):
            device.send(UNDECODABLE)
            service.until_metrics(publish_queue_depth=1)
            assert not device.has_heard()
        assert device.answer() == 2


def test_a_newer_login_closes_the_older_connection_and_its_frame_in_flight_is_published(
    ingest: Ingest, redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with service.login() as older:
        with frozen(redis_server):
            older.send(tcp_frame(0))
            service.until_metrics(publish_queue_depth=5)
            newer = service.login()
            assert older.until_closed() == b""
            newer.send(tcp_frame(1))
            service.until_metrics(publish_queue_depth=10)
        with newer:
            assert newer.answer() == 5
            # The end of the older one takes nothing from the newer one.
            assert newer.ask(tcp_frame(2)) == 5
            assert service.metrics()["connections_active"] == 1
            expected = [each for number in range(3) for each in iso_times(times_ms(number))]
            assert [ts for _, ts in published(redis_client, stream_name)] == expected


def test_frames_in_one_segment_and_a_frame_byte_by_byte_are_answered_in_order(
    ingest: Ingest,
) -> None:
    service = ingest().ready()
    with service.connect() as device:
        login = b"\x00\x0f" + imei_of(1).encode()
        device.send(login + tcp_frame(0, records=3) + tcp_frame(1, records=4) + b"\xff")
        assert device.receive(9) == ADMITTED + b"\x00\x00\x00\x03" + b"\x00\x00\x00\x04"
        for byte in tcp_frame(2, records=2):
            device.send(bytes([byte]))
        assert device.answer() == 2


def test_a_line_about_one_device_comes_once_a_minute_and_about_each(ingest: Ingest) -> None:
    service = ingest().ready()

    def warned() -> Iterator[str]:
        for line in service.logged("frame refused"):
            yield line["imei"]

    for number in (1, 2):
        for _ in range(2):
            with service.login(number) as device:
                device.send(OVERSIZE)
                assert device.until_closed() == b""
    until(lambda: list(warned()) == [imei_of(1), imei_of(2)], "a line for each device")
