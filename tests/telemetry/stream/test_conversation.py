"""What devices send, message by message: published conversations, and any that can be built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry._codec import AvlFrame, AvlRefusal, decode_avl
from telemetry.stream.conversation import (
    FRAME_BYTES_MAX,
    Conversation,
    Frame,
    Login,
    Message,
    Padding,
    Ping,
    Refusal,
)
from tests.support.conversations import (
    PING,
    UNKNOWN,
    built_conversations,
    expected,
    login_of,
)
from tests.support.vectors import FRAMES, GOOD, WRONG_CRC, conversations

if TYPE_CHECKING:
    from collections.abc import Sequence

SOUND, DAMAGED = bytes.fromhex(GOOD), bytes.fromhex(WRONG_CRC)


def read(data: bytes, *, resync: bool = True) -> list[Message]:
    return list(Conversation(lambda login: login or UNKNOWN).read(data, resync=resync))


def frames_of(messages: Sequence[Message], data: bytes) -> list[tuple[str, bytes]]:
    """Device and bytes of each frame."""
    return [
        (one.device_id, data[one.start : one.start + one.decoded.frame_bytes])
        for one in messages
        if isinstance(one, Frame)
    ]


@pytest.mark.parametrize("steps", conversations())
def test_a_published_conversation_gives_its_frames_under_the_device_that_logged_in(
    steps: list[dict[str, Any]],
) -> None:
    data = bytes.fromhex("".join(step["hex"] for step in steps if step["dir"] == "device"))
    messages = read(data, resync=False)
    assert not [one for one in messages if isinstance(one, Refusal)]
    login = next(one for one in messages if isinstance(one, Login))
    counts = [
        int(step["hex"], 16) for step in steps if step["dir"] == "server" and len(step["hex"]) == 8
    ]
    frames = [one for one in messages if isinstance(one, Frame) and not one.decoded.command]
    assert [len(one.decoded.records) for one in frames] == counts
    for frame in frames:
        assert frame.device_id == login.imei
        for record in frame.decoded.records:
            assert json.loads(record.payload)["device_id"] == login.imei


def test_several_logins_set_the_device_each_from_there_on() -> None:
    first, second = "356307042441013", "352093089168821"
    data = SOUND + login_of(first) + SOUND + PING + SOUND + login_of(second) + SOUND
    assert [device for device, _ in frames_of(read(data), data)] == [UNKNOWN, first, first, second]


def test_a_login_holds_in_the_bytes_that_are_read_next() -> None:
    conversation = Conversation(lambda login: login or UNKNOWN)
    assert list(conversation.read(login_of("356307042441013"), resync=False)) == [
        Login(0, "356307042441013")
    ]
    (frame,) = conversation.read(SOUND, resync=False)
    assert isinstance(frame, Frame)
    assert frame.device_id == "356307042441013"


def test_an_imei_in_a_frame_is_no_login() -> None:
    text = b"356307042441013"
    data = bytes([0x0C, 1, 6]) + len(text).to_bytes(4) + text + b"\x01"
    command = bytes(4) + len(data).to_bytes(4) + data + crc_16_ibm(data).to_bytes(4)
    assert login_of(text.decode()) in command
    messages = read(command + SOUND)
    assert [type(one) for one in messages] == [Frame, Frame]
    assert messages[1].start == len(command)


def test_padding_is_harmless_and_named_with_its_length() -> None:
    for count in range(1, 40):
        data = (
            SOUND + bytes(count) + SOUND + bytes(count) + login_of(UNKNOWN) + SOUND + bytes(count)
        )
        kinds = [Frame, Padding, Frame, Padding, Login, Frame, Padding]
        messages = read(data, resync=False)
        assert [type(one) for one in messages] == kinds, count
        assert [one.byte_count for one in messages if isinstance(one, Padding)] == [count] * 3


def test_zeros_are_padding_before_a_frame_and_where_they_are_a_header_that_begins_none() -> None:
    padding, frame = read(bytes(12) + SOUND)
    assert padding == Padding(0, 12)
    assert isinstance(frame, Frame)
    assert read(bytes(8)) == [Padding(0, 8)]
    assert read(bytes(7)) == [Refusal(0, "truncated", 7)]


def test_a_damaged_frame_behind_padding_is_refused_at_its_own_place() -> None:
    messages = read(SOUND + bytes(12) + DAMAGED + SOUND)
    assert [type(one) for one in messages] == [Frame, Padding, Refusal, Frame]
    assert messages[2] == Refusal(66 + 12, "crc_fail", 66 + 12 + 62)


@pytest.mark.parametrize("answer", [b"\x01", (1).to_bytes(4)])
def test_an_answer_of_the_server_is_refused_where_it_stands(answer: bytes) -> None:
    imei = "356307042441013"
    data = login_of(imei) + answer + SOUND
    assert read(data)[1] == Refusal(17, "bad_preamble", 17)
    assert frames_of(read(data), data) == [(imei, SOUND)]
    assert len(read(data, resync=False)) == 2


def test_reading_goes_on_at_a_login_or_a_ping_behind_a_refused_frame() -> None:
    imei = "356307042441013"
    for between, kinds in (
        (login_of(imei), [Login]),
        (PING, [Ping]),
        (b"??" + login_of(imei), [Login]),
    ):
        messages = read(DAMAGED + between + SOUND)
        assert [type(one) for one in messages] == [Refusal, *kinds, Frame]


def test_a_frame_as_long_as_the_codec_allows_is_read_and_a_longer_one_is_not() -> None:
    for length, code in ((FRAME_BYTES_MAX - 12, "crc_fail"), (FRAME_BYTES_MAX - 11, "oversize")):
        frame = bytes(4) + length.to_bytes(4) + b"\x08" * (length + 4)
        (refusal,) = read(frame, resync=False)
        assert isinstance(refusal, Refusal)
        assert refusal.code == code
        assert [type(one) for one in read(frame + SOUND)] == [Refusal, Frame]


@given(built_conversations)
def test_any_conversation_of_raw_bytes_gives_its_frames_with_their_devices_in_order(
    built: list[tuple[str, bytes]],
) -> None:
    data = b"".join(piece for _, piece in built)
    for resync in (True, False):
        messages = read(data, resync=resync)
        assert frames_of(messages, data) == expected(built)
        assert not [one for one in messages if isinstance(one, Refusal)]
        assert sum(isinstance(one, Ping) for one in messages) == sum(
            kind == "ping" for kind, _ in built
        )


@given(
    st.lists(
        st.one_of(st.sampled_from([*FRAMES, DAMAGED]), st.binary(min_size=1, max_size=30)),
        max_size=8,
    )
)
def test_frames_among_noise_are_those_that_the_codec_finds(parts: list[bytes]) -> None:
    # What only a conversation has is left out: pings, logins and padding are noise to the codec.
    data = b"".join(part.replace(b"\xff", b"\xfe") if len(part) <= 30 else part for part in parts)
    messages = read(data)
    if all(isinstance(one, Frame | Refusal) for one in messages):
        found = decode_avl(data, UNKNOWN, resync=True)
        assert [one.start for one in messages if isinstance(one, Frame)] == [
            one.start for one in found if isinstance(one, AvlFrame)
        ]
        assert [
            (one.start, one.code, one.offset) for one in messages if isinstance(one, Refusal)
        ] == [(one.start, one.code, one.offset) for one in found if isinstance(one, AvlRefusal)]


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_reading_and_places_only_go_up(data: bytes) -> None:
    messages = read(data)
    starts = [one.start for one in messages]
    assert starts == sorted(set(starts))
    assert all(one.offset <= len(data) for one in messages if isinstance(one, Refusal))


def crc_16_ibm(data: bytes) -> int:
    """Polynomial 0xA001 reflected, initial value 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
