from __future__ import annotations

import io

from telemetry.stream.capture import Accepted, Capture, Outcome, RefusedFrame, decode_line
from tests.support.vectors import COMMAND, EMPTY, GOOD, WRONG_CRC

DEVICE = "356307042441013"


def verdicts(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    return [(one.line, one.code if isinstance(one, RefusedFrame) else "ok") for one in outcomes]


def line(text: str | bytes) -> list[Outcome]:
    return list(decode_line(7, text.encode() if isinstance(text, str) else text, DEVICE))


def capture(data: bytes) -> list[Outcome]:
    return list(Capture(io.BytesIO(data), DEVICE))


def test_a_line_that_is_not_hex_has_a_bad_preamble() -> None:
    for text in ("hello", "0x00", GOOD + "g", "00\xe9", b"\xff\xfe"):
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


def test_bytes_after_a_frame_are_a_truncated_one_at_their_place_in_the_line() -> None:
    frame, rest = line(GOOD + "0000")
    assert isinstance(frame, Accepted)
    assert rest == RefusedFrame(7, "truncated", 68)


def test_lines_are_counted_from_the_first_even_where_the_form_is_guessed_from_it() -> None:
    text = f"\n\n{EMPTY}\n{COMMAND}\n\n{WRONG_CRC}".encode()
    assert verdicts(capture(text)) == [(3, "ok"), (4, "ok"), (6, "crc_fail")]


def test_raw_frames_are_numbered_and_go_on_after_a_refused_one() -> None:
    good, wrong = bytes.fromhex(GOOD), bytes.fromhex(WRONG_CRC)
    outcomes = capture(good + wrong + b"noise" + good + good[:20])
    assert verdicts(outcomes) == [(1, "ok"), (2, "crc_fail"), (3, "ok"), (4, "truncated")]
    refused = [one.offset for one in outcomes if isinstance(one, RefusedFrame)]
    assert refused == [66 + 62, 66 + 66 + 5 + 66 + 20]


def test_raw_frames_are_told_from_text_even_where_the_first_one_is_damaged() -> None:
    good = bytes.fromhex(GOOD)
    assert verdicts(capture(b"\x01" + good[1:] + good)) == [(1, "bad_preamble"), (2, "ok")]


def test_an_empty_capture_has_no_frames() -> None:
    assert capture(b"") == []
    assert capture(b"\n \n") == []


def test_all_bytes_are_counted_as_done() -> None:
    for data in (bytes.fromhex(GOOD) * 2, f"{GOOD}\n\n{GOOD}\n".encode()):
        frames = Capture(io.BytesIO(data), DEVICE)
        assert len(list(frames)) == 2
        assert frames.bytes_done == len(data)
