"""Sessions and datagrams in Python: real sockets, the steps as values, memory, and answers that need a confirmation."""

from __future__ import annotations

import copy
import ctypes
import json
import socket
import struct
import sys
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import _codec
from telemetry._codec import (
    END,
    AcceptedFrame,
    BadLogin,
    CodecError,
    CommandFrame,
    EmptyFrame,
    Login,
    Ping,
    RefusedFrame,
    Session,
    StreamWriters,
    decode_avl,
    decode_datagram,
)
from tests.support.devices import (
    WRITERS,
    admitted_session,
    confirmation_of,
    datagram_of,
    frame_of,
    login_of,
    new_session,
)
from tests.support.vectors import COMMAND, EMPTY, GOOD, WRONG_CRC
from tests.support.wire import DEVICE_ID, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME = bytes.fromhex(GOOD)
# Codec id 99 and two records by its own word, with a right checksum.
UNDECODABLE = frame_of(bytes.fromhex("9902000002"))
DATAGRAM = datagram_of(FRAME[8:-4])


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The device's end and the server's, which does not block."""
    device, server = socket.socketpair()
    with device, server:
        server.settimeout(0)
        yield device, server


def steps_of(session: Session, server: socket.socket) -> list[object]:
    """What is there to be received, step by step, up to the end; frames are settled, logins admitted."""
    steps = []
    step = session.receive(server, 0)
    while True:
        while step is not None and step is not END:
            steps.append(step)
            if isinstance(step, Login):
                session.admit()
            elif isinstance(step, AcceptedFrame):
                session.settle()
            step = session.next_step()
        if step is END:
            return [*steps, END]
        step = session.receive(server, 0)


def test_nothing_there_is_none_and_the_end_is_one_value(
    link: tuple[socket.socket, socket.socket],
) -> None:
    device, server = link
    session = new_session()
    assert session.receive(server, 0) is None
    device.send(login_of(DEVICE_ID)[:5])
    assert session.receive(server, 0) is None
    assert (session.received_bytes, session.is_at_boundary, session.in_hand) == (5, False, False)
    assert session.receive(server, 0) is None
    device.close()
    assert session.receive(server, 0) is END
    assert isinstance(END, _codec.End)
    assert repr(END) == "END"


def test_a_socket_that_blocks_does_not_block_the_call() -> None:
    device, server = socket.socketpair()
    with device, server:
        assert server.gettimeout() is None
        assert new_session().receive(server, 0) is None


def test_a_reset_connection_and_a_closed_socket_raise_as_recv_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        device = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.close()
    session = new_session()
    with server, pytest.raises(ConnectionResetError):
        session.receive(server, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        session.receive(server, 0)


@pytest.mark.parametrize("cut", range(0, len(FRAME) + 18, 3))
def test_a_conversation_is_the_same_wherever_it_is_cut(
    cut: int, link: tuple[socket.socket, socket.socket]
) -> None:
    device, server = link
    wire = b"\xff" + login_of(DEVICE_ID) + FRAME
    session = new_session()
    device.send(wire[:cut])
    first = session.receive(server, 0) if cut else None
    while first is not None:
        assert first is not END
        if isinstance(first, Login):
            session.admit()
        first = session.next_step()
    device.send(wire[cut:])
    device.close()
    last = steps_of(session, server)
    assert last[-1] is END
    assert session.imei == DEVICE_ID
    assert session.received_bytes == len(wire)
    assert isinstance(last[-2], AcceptedFrame)


def test_no_more_is_received_than_a_session_may_buffer(
    link: tuple[socket.socket, socket.socket],
) -> None:
    device, server = link
    session = admitted_session()
    received = session.received_bytes
    long_frame = bytes(4) + (10_000).to_bytes(4) + b"\x99" * 10_004
    device.sendall(long_frame + FRAME)
    assert session.receive(server, 0) is None
    assert session.received_bytes - received == 4096
    assert session.wanted_bytes() == len(long_frame) - 4096
    refused = expect(RefusedFrame, session.receive(server, 0))
    assert (refused.code, refused.closes) == ("crc_fail", False)
    assert session.received_bytes - received == len(long_frame)
    assert (session.is_at_boundary, session.wanted_bytes()) == (True, 4096)
    expect(AcceptedFrame, session.receive(server, 0))


def test_nothing_is_received_while_a_frame_is_in_hand(
    link: tuple[socket.socket, socket.socket],
) -> None:
    device, server = link
    session = admitted_session()
    expect(AcceptedFrame, session.feed(FRAME, 0))
    device.send(FRAME)
    with pytest.raises(CodecError, match="in hand"):
        session.receive(server, 0)
    with pytest.raises(CodecError, match="in hand"):
        session.feed(FRAME, 0)
    assert session.next_step() is None
    session.settle()
    expect(AcceptedFrame, session.receive(server, 0))


def test_what_is_buffered_already_comes_before_what_is_received(
    link: tuple[socket.socket, socket.socket],
) -> None:
    device, server = link
    session = admitted_session()
    expect(Ping, session.feed(b"\xff\xff", 0))
    device.send(FRAME)
    expect(Ping, session.receive(server, 0))
    expect(AcceptedFrame, session.receive(server, 0))


def test_steps_are_values_with_what_they_carry() -> None:
    session = new_session()
    login = expect(Login, session.feed(login_of(DEVICE_ID), 0))
    assert (login.imei, login.again, session.imei, session.in_hand) == (
        DEVICE_ID,
        False,
        None,
        True,
    )
    assert session.admit() == b"\x01"
    again = expect(Login, session.feed(login_of(DEVICE_ID), 0))
    assert (again.imei, again.again, session.admit()) == (DEVICE_ID, True, b"\x01")

    empty = expect(EmptyFrame, session.feed(bytes.fromhex(EMPTY), 0))
    assert (empty.imei, empty.codec, empty.answer) == (DEVICE_ID, "8", bytes(4))
    command = expect(CommandFrame, session.feed(bytes.fromhex(COMMAND), 0))
    assert (command.imei, command.codec) == (DEVICE_ID, "12")
    refused = expect(RefusedFrame, session.feed(bytes.fromhex(WRONG_CRC), 0))
    assert (refused.imei, refused.code, refused.offset, refused.codec) == (
        DEVICE_ID,
        "crc_fail",
        62,
        "8",
    )
    assert (refused.closes, refused.frame, refused.records) == (False, None, 1)
    assert repr(refused) == "<RefusedFrame crc_fail at byte 62>"
    bad = expect(BadLogin, session.feed(login_of("123456789012345"), 0))
    assert bad.code == "other_imei"
    assert session.feed(FRAME, 0) is None


def test_an_accepted_frame_has_a_command_for_each_record() -> None:
    frame = expect(AcceptedFrame, admitted_session().feed(FRAME, 0))
    assert (frame.imei, frame.codec, frame.records, frame.replies, frame.stream) == (
        DEVICE_ID,
        "8",
        1,
        1,
        0,
    )
    assert frame.commands is frame.commands
    assert repr(frame) == f"<AcceptedFrame imei={DEVICE_ID} codec=8 records=1>"
    (decoded,) = decode_avl(FRAME, DEVICE_ID, resync=False)
    (record,) = expect(_codec.AvlFrame, decoded).records
    words = frame.commands.split(b"\r\n")[2::2]
    assert words == [
        *(b"XADD", b"telemetry:teltonika", b"MAXLEN", b"~", b"1000000", b"*"),
        *(b"ts", record.timestamp.encode(), b"device_id", DEVICE_ID.encode()),
        *(b"codec", b"8", b"payload", record.payload),
    ]
    assert json.loads(record.payload)["device_id"] == DEVICE_ID


@given(st.integers(0, 10**15 - 1), st.integers(1, 20))
def test_a_devices_stream_is_zlibs_crc_32_of_its_imei(number: int, streams: int) -> None:
    imei = f"{number:015}"
    writers = StreamWriters([f"s{place}" for place in range(streams)], entries_max=0)
    assert writers.stream_of(imei) == zlib.crc32(imei.encode()) % streams


def test_writers_need_a_stream_and_an_imei_fifteen_digits() -> None:
    with pytest.raises(CodecError, match="at least one stream"):
        StreamWriters([], entries_max=0)
    with pytest.raises(ValueError, match="fifteen digits"):
        WRITERS.stream_of("35630704244101")


def test_the_confirmation_of_another_frame_is_refused_even_if_their_bytes_are_equal() -> None:
    session = admitted_session()
    first = expect(AcceptedFrame, session.feed(FRAME, 0))
    session.settle()
    second = expect(AcceptedFrame, session.feed(FRAME, 0))
    for frame, other in ((first, second), (second, first)):
        with pytest.raises(CodecError, match="another frame"):
            frame.answer(confirmation_of(other))
        assert frame.answer(confirmation_of(frame)) == b"\x00\x00\x00\x01"


def test_nothing_but_a_counter_makes_a_confirmation_or_a_frame() -> None:
    frame = expect(AcceptedFrame, admitted_session().feed(FRAME, 0))
    for value in (frame, confirmation_of(frame)):
        with pytest.raises(TypeError):
            type(value)()
        with pytest.raises(TypeError):
            copy.copy(value)
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Forged", (type(value),), {})


def test_a_refused_frame_can_be_kept_by_one_command_and_the_session_goes_on() -> None:
    session = admitted_session()
    refused = expect(RefusedFrame, session.feed(UNDECODABLE + FRAME, 0))
    assert (refused.code, refused.codec, refused.closes) == ("unknown_codec", "other", True)
    assert (refused.frame, refused.records) == (UNDECODABLE, 2)
    command = b"*1\r\n$4\r\nPING\r\n"
    kept = session.keep(refused, command, 0)
    assert kept.commands is command
    assert (kept.replies, kept.records, kept.codec, session.in_hand) == (1, 2, "other", True)
    assert kept.answer(confirmation_of(kept)) == b"\x00\x00\x00\x02"
    session.settle()
    expect(AcceptedFrame, session.next_step())


def test_what_does_not_suit_the_state_is_an_error() -> None:
    session = new_session()
    for call in (session.admit, session.settle, partial(session.refuse, 0)):
        with pytest.raises(CodecError):
            call()
    with pytest.raises(CodecError, match="no bytes"):
        session.feed(b"", 0)


def test_clocks_run_out_by_name() -> None:
    assert new_session(now_ms=5).expired(30_004) is None
    assert new_session(now_ms=5).expired(30_005) == "login"
    session = admitted_session()
    assert session.expired(1_800_000) == "idle"
    session.feed(FRAME[:1], 7)
    assert session.expired(30_007) == "frame"
    session.linger(10)
    assert session.expired(1_010) == "lingered"
    refused = new_session()
    refused.feed(login_of(DEVICE_ID), 0)
    assert refused.refuse(100) == b"\x00"
    assert refused.expired(2_100) == "refused"


def test_a_datagram_is_answered_with_its_own_ids() -> None:
    frame = expect(AcceptedFrame, decode_datagram(DATAGRAM, WRITERS))
    assert (frame.imei, frame.codec, frame.records) == (DEVICE_ID, "8", 1)
    assert frame.answer(confirmation_of(frame)) == bytes.fromhex("0005cafe010501")
    empty = expect(EmptyFrame, decode_datagram(datagram_of(b"\x08\x00\x00"), WRITERS))
    assert (empty.imei, empty.codec) == (DEVICE_ID, "8")
    assert empty.answer == bytes.fromhex("0005cafe010500")


def test_a_datagram_that_is_refused_names_its_device_as_far_as_it_says_it() -> None:
    refused = expect(RefusedFrame, decode_datagram(DATAGRAM[:-1], WRITERS))
    assert (refused.code, refused.imei, refused.closes) == ("truncated", None, False)
    refused = expect(RefusedFrame, decode_datagram(datagram_of(b"\x99\x01\x01"), WRITERS))
    assert (refused.code, refused.imei) == ("unknown_codec", DEVICE_ID)
    assert (refused.codec, refused.frame) == ("other", None)
    command = decode_datagram(datagram_of(bytes.fromhex(COMMAND)[8:-4]), WRITERS)
    assert expect(CommandFrame, command).imei == DEVICE_ID


class HeapUse(ctypes.Structure):
    """What glibc's `mallinfo2` says of the heap, in bytes and numbers of blocks."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]
    uordblks: int


def heap_bytes() -> int:
    """What Rust has on the heap; Python's own small objects lie elsewhere."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = HeapUse
    use: HeapUse = mallinfo2()
    return use.uordblks


def test_a_silent_session_has_nothing_on_the_heap_and_a_buffer_is_given_back() -> None:
    admitted_session().feed(FRAME, 0)
    before = heap_bytes()
    sessions = [admitted_session() for _ in range(5_000)]
    # The list has a pointer for each.
    assert heap_bytes() - before < 5_000 * 16

    def feed_all(data: bytes) -> int:
        """Bytes on the heap for each session, more than before."""
        before = heap_bytes()
        for session in sessions:
            if session.feed(data, 0) is not None:
                session.settle()
        return round((heap_bytes() - before) / len(sessions))

    assert feed_all(FRAME) == 0
    assert 40 <= feed_all(FRAME[:40]) < 80
    assert -80 < feed_all(FRAME[40:]) <= -40
    assert all(session.is_at_boundary for session in sessions)
    # The object itself: its two references to limits and writers, clocks, device and state.
    assert sys.getsizeof(sessions[0]) < 256
