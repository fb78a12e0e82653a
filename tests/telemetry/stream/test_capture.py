from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from telemetry._codec import AvlFrame, decode_avl
from telemetry.stream.capture import Accepted, Capture, Outcome, RefusedFrame
from tests.support.conversations import UNKNOWN, built_conversations, expected
from tests.support.vectors import COMMAND, EMPTY, GOOD, WRONG_CRC

DEVICE = "356307042441013"


def verdicts(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    return [(one.line, one.code if isinstance(one, RefusedFrame) else "ok") for one in outcomes]


def device_of(login: str | None) -> str:
    return login or DEVICE


def line(text: str | bytes) -> list[Outcome]:
    """What stands in the seventh line of a recording."""
    return capture(b"\n" * 6 + (text.encode("latin-1") if isinstance(text, str) else text))


def capture(data: bytes) -> list[Outcome]:
    return list(Capture(io.BytesIO(data), device_of))


def test_a_line_that_is_not_hex_has_a_bad_preamble() -> None:
    for text in ("hello", "0x00", GOOD + "g", "00\xe9", b"\xc3\xbe"):
        assert line(text) == [RefusedFrame(7, "bad_preamble", 0)]


def test_a_line_that_ends_within_a_byte_was_truncated() -> None:
    assert line(GOOD[:-1]) == [RefusedFrame(7, "truncated", 65)]
    assert line("0") == [RefusedFrame(7, "truncated", 0)]


def test_case_spaces_and_line_ends_do_not_matter() -> None:
    spaced = " ".join(GOOD.upper()[at : at + 2] for at in range(0, len(GOOD), 2))
    assert verdicts(line(f"  {spaced} \r\n")) == [(7, "ok")]


def test_a_line_may_hold_several_frames_up_to_the_first_refused_one() -> None:
    assert verdicts(line(GOOD + COMMAND + WRONG_CRC + GOOD)) == [
        (7, "ok"),
        (7, "ok"),
        (7, "crc_fail"),
    ]


def test_a_frame_that_is_cut_behind_another_is_truncated_at_its_place_in_the_line() -> None:
    frame, rest = line(GOOD + GOOD[:40])
    assert isinstance(frame, Accepted)
    assert rest == RefusedFrame(7, "truncated", 66 + 20)


def test_a_login_line_sets_the_device_of_the_lines_behind_it() -> None:
    other = "000f" + b"352093089168821".hex()
    frames = capture(f"{GOOD}\n{other}\n{GOOD}\nff\n{GOOD}\n".encode())
    assert [(one.line, one.device_id) for one in frames if isinstance(one, Accepted)] == [
        (1, DEVICE),
        (3, "352093089168821"),
        (5, "352093089168821"),
    ]


def test_what_is_no_frame_is_counted() -> None:
    login = "000f" + DEVICE.encode().hex()
    for data in (f"ff\n{login}\n{GOOD}0000\nFF{GOOD}", f"ff{login}{GOOD}0000ff{GOOD}"):
        for source in (data.encode(), bytes.fromhex(data)):
            recording = Capture(io.BytesIO(source), device_of)
            assert verdicts(list(recording)) in (
                [(3, "ok"), (4, "ok")],
                [(1, "ok"), (1, "ok")],
                [(1, "ok"), (2, "ok")],
            )
            passed = recording.passed
            assert (passed.logins, passed.pings, passed.padding_bytes) == (1, 2, 2)


@given(built_conversations, st.data())
def test_any_conversation_in_lines_of_hex_gives_its_frames_with_their_devices_in_order(
    built: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    text = b""
    for kind, piece in built:
        # Short padding stays in its frame's line: alone it could be a frame that was cut.
        starts_a_line = kind != "padding" or len(piece) >= 8
        text += b"\n" if starts_a_line and data.draw(st.booleans()) else b""
        text += piece.hex().encode()
    outcomes = list(
        Capture(io.BytesIO(text), lambda login: login or UNKNOWN),
    )
    assert [
        (one.device_id, one.frame.codec, len(one.frame.records))
        for one in outcomes
        if isinstance(one, Accepted)
    ] == [(device, *described(frame)) for device, frame in expected(built)]
    assert not [one for one in outcomes if isinstance(one, RefusedFrame)]


def described(frame: bytes) -> tuple[str, int]:
    (decoded,) = decode_avl(frame, UNKNOWN, resync=False)
    assert isinstance(decoded, AvlFrame)
    return decoded.codec, len(decoded.records)


def test_a_raw_recording_may_begin_with_a_ping() -> None:
    assert capture(b"\xff") == []
    assert verdicts(capture(b"\xff" * 70 + bytes.fromhex(GOOD))) == [(1, "ok")]


def test_lines_are_counted_from_the_first_even_where_the_form_is_guessed_from_it() -> None:
    text = f"\n\n{EMPTY}\n{COMMAND}\n\n{WRONG_CRC}".encode()
    assert verdicts(capture(text)) == [(3, "ok"), (4, "ok"), (6, "crc_fail")]


def test_raw_frames_are_numbered_and_go_on_after_a_refused_one() -> None:
    good, wrong = bytes.fromhex(GOOD), bytes.fromhex(WRONG_CRC)
    outcomes = capture(good + wrong + b"noise" + good + good[:20])
    assert verdicts(outcomes) == [(1, "ok"), (2, "crc_fail"), (3, "ok"), (4, "truncated")]
    refused = [one.offset for one in outcomes if isinstance(one, RefusedFrame)]
    assert refused == [66 + 62, 66 + 66 + 5 + 66 + 20]


def test_raw_frames_are_distinguished_from_text_even_where_the_first_one_is_damaged() -> None:
    good = bytes.fromhex(GOOD)
    assert verdicts(capture(b"\x01" + good[1:] + good)) == [(1, "bad_preamble"), (2, "ok")]


def test_an_empty_capture_has_no_frames() -> None:
    assert capture(b"") == []
    assert capture(b"\n \n") == []


def test_all_bytes_are_counted_as_done() -> None:
    for data in (bytes.fromhex(GOOD) * 2, f"{GOOD}\n\n{GOOD}\n".encode()):
        frames = Capture(io.BytesIO(data), device_of)
        assert len(list(frames)) == 2
        assert frames.bytes_done == len(data)
