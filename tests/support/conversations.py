"""Conversations of devices that can be built, and the frames that are in them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.vectors import FRAMES

UNKNOWN = "000000000000000"
PING = b"\xff"


def login_of(imei: str) -> bytes:
    """The login message of a device."""
    return b"\x00\x0f" + imei.encode()


_imeis = st.from_regex(r"[0-9]{15}", fullmatch=True)
_pieces = st.one_of(
    st.tuples(st.just("frame"), st.sampled_from(FRAMES)),
    st.tuples(st.just("login"), _imeis.map(login_of)),
    st.tuples(st.just("ping"), st.just(PING)),
    st.tuples(st.just("padding"), st.integers(1, 40).map(bytes)),
)


def _only_behind_frames(built: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Devices pad frames alone."""
    return [
        (kind, data)
        for at, (kind, data) in enumerate(built)
        if kind != "padding" or (at > 0 and built[at - 1][0] == "frame")
    ]


built_conversations = st.lists(_pieces, max_size=12).map(_only_behind_frames)


def expected(built: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Device and bytes of each frame, in order."""
    device, frames = UNKNOWN, []
    for kind, data in built:
        if kind == "login":
            device = data[2:].decode()
        elif kind == "frame":
            frames.append((device, data))
    return frames
