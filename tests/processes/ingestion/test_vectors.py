"""Every conversation, frame and damaged input of the vectors, played against the real process over TCP and UDP."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from telemetry._codec import AvlFrame, decode_avl
from tests.support.ingestion import Device, Handset, entries
from tests.support.ingestion_frames import imei_of, tcp_frame
from tests.support.vectors import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from tests.support.ingestion import Ingest, Ingestion

HANDSHAKES = Path(__file__).parents[2] / "vectors/handshake.jsonl"


@pytest.fixture
def service(ingest: Ingest) -> Ingestion:
    # Every row gets its own verdict: none is kept because it was sent before.
    return ingest(TELTONIKA_UDP_PORT="0", QUARANTINE_AFTER="0").ready()


@pytest.fixture
def handset(service: Ingestion) -> Iterator[Handset]:
    with Handset(service.port_of("udp")) as handset:
        yield handset


def handshakes(*, udp: bool) -> list[dict[str, Any]]:
    lines = map(json.loads, HANDSHAKES.read_text().splitlines())
    return [row for row in lines if row["id"].startswith("udp") is udp]


def play(device: Device, steps: Sequence[dict[str, str]]) -> None:
    """Send what the device sends, and compare what the server sends."""
    for step in steps:
        data = bytes.fromhex(step["hex"])
        if step["dir"] == "device":
            device.send(data)
        else:
            assert device.receive(len(data)) == data


def is_command(step: dict[str, str]) -> bool:
    """A command that the server of the vectors sends to the device, which this one never does."""
    return step["dir"] == "server" and len(step["hex"]) > 8


def test_each_conversation_over_tcp_is_answered_as_it_was(ingest: Ingest) -> None:
    service = ingest().ready()
    played = 0
    for row in handshakes(udp=False):
        if row["id"] == "tcp-login-refused":
            continue
        with Device(service.port, "") as device:
            play(device, [step for step in row["steps"] if not is_command(step)])
            # Nothing else was answered than what is in the row.
            device.socket.shutdown(socket.SHUT_WR)
            assert device.until_closed() == b"", row["id"]
        played += 1
    assert played == 15


def test_a_device_that_is_not_listed_is_refused_as_in_the_vectors(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    redis_client.sadd(f"{stream_name}:devices", imei_of(1))
    service = ingest(STRICT_DEVICE_AUTH="true").ready()
    [row] = [row for row in handshakes(udp=False) if row["id"] == "tcp-login-refused"]
    with Device(service.port, "") as device:
        play(device, row["steps"])
        assert device.until_closed() == b""


def test_each_conversation_over_udp_is_answered_as_it_was_and_again_if_repeated(
    handset: Handset,
) -> None:
    played = handshakes(udp=True)
    for row in played:
        sent, answered = (bytes.fromhex(step["hex"]) for step in row["steps"])
        assert handset.ask(sent) == answered, row["id"]
        assert handset.ask(sent) == answered, row["id"]
    assert len(played) == 3


def published_as(redis: Redis, stream: str, imei: str) -> list[dict[str, str]]:
    return [
        {name.decode(): value.decode() for name, value in fields.items()}
        for fields in entries(redis, stream)
        if fields[b"device_id"] == imei.encode()
    ]


def expected_entries(frame: bytes, imei: str) -> list[dict[str, str]]:
    """By the codec's reader of captures, which the vectors hold to the truth."""
    [read] = decode_avl(frame, imei, resync=False)
    assert isinstance(read, AvlFrame)
    return [
        {
            "ts": record.timestamp,
            "device_id": imei,
            "codec": read.codec,
            "payload": record.payload.decode(),
        }
        for record in read.records
    ]


def test_each_sound_frame_over_tcp_is_published_whole_and_answered_and_commands_are_not(
    service: Ingestion, redis_client: Redis, stream_name: str
) -> None:
    sound = rows("frames.jsonl", "transport", "tcp")
    for number, row in enumerate(sound):
        frame, imei = bytes.fromhex(row["hex"]), imei_of(number)
        with service.login(number) as device:
            device.send(frame)
            if row["strict_verdict"] == "ok" and row["codec"] in {"8", "8E", "16"}:
                assert device.answer() == len(row["records"]), row["id"]
                expected = expected_entries(frame, imei)
            else:
                expected = []
            # What got no answer left the connection open: a command, and the first wrong checksum.
            assert device.ask(tcp_frame(number, records=1)) == 1, row["id"]
        published = published_as(redis_client, stream_name, imei)
        assert published[:-1] == expected, row["id"]
    assert len(sound) == 83


def test_each_sound_datagram_is_published_whole_and_answered(
    handset: Handset, redis_client: Redis, stream_name: str
) -> None:
    sound = rows("frames.jsonl", "transport", "udp")
    for row in sound:
        datagram = bytes.fromhex(row["hex"])
        answer = b"\x00\x05" + datagram[2:4] + b"\x01" + datagram[5:6]
        before = redis_client.xlen(stream_name)
        assert handset.ask(datagram) == answer + len(row["records"]).to_bytes(1), row["id"]
        assert redis_client.xlen(stream_name) == before + len(row["records"])
    assert len(sound) == 18


def test_each_damaged_frame_is_neither_answered_nor_published(
    service: Ingestion, redis_client: Redis, stream_name: str
) -> None:
    damaged = rows("malformed.jsonl", "input", "tcp_frame")
    for number, row in enumerate(damaged):
        frame, imei = bytes.fromhex(row["hex"]), imei_of(number)
        with service.login(number) as device:
            device.send(frame)
            device.socket.shutdown(socket.SHUT_WR)
            heard = device.until_closed()
        published = len(published_as(redis_client, stream_name, imei))
        if "ok" not in row["acceptable"]:
            assert (heard, published) == (b"", 0), row["id"]
        elif row["acceptable"] == ["ok"] or heard:
            # Accepted whole, where the contract leaves it open.
            assert heard == published.to_bytes(4), row["id"]
        else:
            assert published == 0, row["id"]
    assert len(damaged) == 50


def test_each_damaged_datagram_is_neither_answered_nor_published(
    handset: Handset, redis_client: Redis, stream_name: str
) -> None:
    damaged = rows("malformed.jsonl", "input", "udp_datagram")
    for row in damaged:
        assert handset.asks_in_vain(bytes.fromhex(row["hex"])), row["id"]
    assert redis_client.xlen(stream_name) == len(damaged) == 6


def test_each_damaged_login_is_closed_without_an_answer(service: Ingestion) -> None:
    logins = rows("malformed.jsonl", "input", "imei")
    for row in logins:
        with Device(service.port, "") as device:
            device.send(bytes.fromhex(row["hex"]))
            device.socket.shutdown(socket.SHUT_WR)
            heard = device.until_closed()
        assert heard == (b"\x01" if row["acceptable"] == ["ok"] else b""), row["id"]
    assert len(logins) == 7
