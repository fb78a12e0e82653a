"""A device's bytes are read as messages wherever they are cut, and from the middle of one after the next answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.operating.reading import DeviceBytes, Message, answer
from tests.support.vectors import COMMAND, EMPTY, FRAMES, GOOD, WRONG_CRC

IMEI = "356307042441013"
LOGIN = b"\x00\x0f" + IMEI.encode()
MESSAGES = [LOGIN, b"\xff", *FRAMES, bytes.fromhex(COMMAND), b"\xff\xff", bytes.fromhex(WRONG_CRC)]


def read(*pieces: bytes) -> list[Message]:
    reader = DeviceBytes(IMEI)
    return [message for piece in pieces for message in reader.received(piece)]


@given(st.data())
def test_it_does_not_matter_where_the_bytes_are_cut(data: st.DataObject) -> None:
    whole = b"".join(MESSAGES)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)


def test_each_message_is_named_and_decoded() -> None:
    kinds = [each.kind for each in read(*MESSAGES)]
    frames = kinds[2 : 2 + len(FRAMES)]
    assert set(frames) == {"frame", "command"}
    assert kinds[:2] == ["login", "ping"]
    assert kinds[2 + len(FRAMES) :] == ["command", "ping", "ping", "refused"]
    [login] = read(LOGIN)
    assert login.decoded == {"imei": IMEI}
    [frame] = read(bytes.fromhex(GOOD))
    assert (frame.decoded["codec"], frame.decoded["records"]) == ("8", 1)
    [position] = frame.decoded["positions"]
    assert position["device_id"] == IMEI
    [refused] = read(bytes.fromhex(WRONG_CRC))
    assert refused.decoded["code"] == "crc_fail"
    [empty] = read(bytes.fromhex(EMPTY))
    assert empty.data.hex() == EMPTY


def test_from_the_next_answer_on_it_is_in_step_with_a_conversation_that_it_came_late_to() -> None:
    reader = DeviceBytes(IMEI)
    good = bytes.fromhex(GOOD)
    # The second half looks like the beginning of a frame, and would wait for its end.
    [fragment] = reader.received(good[10:])
    assert (fragment.kind, fragment.data) == ("fragment", good[10:])
    assert [*reader.received(bytes(6))] == []
    reader.answered()
    [frame] = reader.received(good)
    assert frame.kind == "frame"


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\x00\x0fabc"])
def test_rubbish_is_shown_as_it_came(rubbish: bytes) -> None:
    assert read(rubbish) == [Message("fragment", rubbish, {})]


def test_a_frame_that_is_too_long_to_decode_is_not_waited_for() -> None:
    header = bytes(4) + (1 << 20).to_bytes(4) + b"\x8e"
    [message] = read(header)
    assert (message.kind, message.data) == ("fragment", header)


@pytest.mark.parametrize(
    ("sent", "decoded"),
    [
        ("01", {"accepted": True}),
        ("00", {"accepted": False}),
        ("00000000", {"records": 0}),
        ("000000ff", {"records": 255}),
    ],
)
def test_answers_are_decoded(sent: str, decoded: dict[str, object]) -> None:
    assert answer(bytes.fromhex(sent)).decoded == decoded
