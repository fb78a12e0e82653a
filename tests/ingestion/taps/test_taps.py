"""What is kept of a watched conversation, and that nothing is kept of any other."""

from __future__ import annotations

from typing import Any

from ingestion.taps.taps import HELD_BYTES_MAX, PIECE_BYTES, Taps, Watch

IMEI, OTHER = "356307042441013", "356307042441014"
ALL = HELD_BYTES_MAX


def kinds(watch: Watch) -> list[object]:
    return [each.values["kind"] for each in watch.take(ALL)]


def hexes(watch: Watch) -> list[Any]:
    return [each.values["hex"] for each in watch.take(ALL)]


def test_nobody_is_watched_until_somebody_watches() -> None:
    taps = Taps()
    assert taps.of(IMEI) is None
    watch = taps.begin(IMEI)
    assert taps.of(OTHER) is None
    tap = taps.of(IMEI)
    assert tap is not None
    tap.received(b"\xff")
    assert hexes(watch) == ["ff"]
    taps.end(watch)
    assert taps.of(IMEI) is None
    # The conversation may still have it.
    tap.received(b"\xff")
    assert watch.take(ALL) == []


def test_two_who_watch_see_the_same_and_one_goes_on_when_the_other_ends() -> None:
    taps = Taps()
    watches = [taps.begin(IMEI) for _ in range(2)]
    tap = taps.of(IMEI)
    assert tap is not None
    tap.sent(b"\x01")
    assert [kinds(each) for each in watches] == [["sent"], ["sent"]]
    taps.end(watches[0])
    assert (taps.count, taps.of(IMEI) is None) == (1, False)
    tap.noted("a frame", codec="8E")
    assert [len(each.take(ALL)) for each in watches] == [0, 1]


def test_each_connection_has_a_number_of_its_own() -> None:
    taps = Taps()
    watch = taps.begin(IMEI)
    for _ in range(2):
        tap = taps.of(IMEI)
        assert tap is not None
        tap.opened(address="h:1", transport="tcp", is_login=True)
        tap.closed("gone")
    seen = [(each.values["connection"], each.values["kind"]) for each in watch.take(ALL)]
    assert seen == [(1, "opened"), (1, "closed"), (2, "opened"), (2, "closed")]


def test_long_pieces_are_cut_and_nothing_is_missing() -> None:
    taps = Taps()
    watch = taps.begin(IMEI)
    tap = taps.of(IMEI)
    assert tap is not None
    data = bytes(range(256)) * 200
    tap.received(data)
    pieces = hexes(watch)
    assert bytes.fromhex("".join(pieces)) == data
    assert max(map(len, pieces)) == 2 * PIECE_BYTES


def test_what_is_held_is_bounded_and_what_is_lost_is_counted() -> None:
    taps = Taps()
    watch = taps.begin(IMEI)
    tap = taps.of(IMEI)
    assert tap is not None
    for _ in range(HELD_BYTES_MAX // PIECE_BYTES):
        tap.received(bytes(PIECE_BYTES))
    taken = [each for _ in range(200) for each in watch.take(48 * 1024)]
    assert sum(each.size_bytes for each in taken) <= HELD_BYTES_MAX + 200
    lost = taken[-1].values
    assert lost["kind"] == "lost"
    assert lost["events"] == HELD_BYTES_MAX // PIECE_BYTES - (len(taken) - 1)
    # There is room again.
    tap.received(b"\xff")
    assert hexes(watch) == ["ff"]


def test_a_part_holds_so_many_bytes_and_one_event_at_least() -> None:
    taps = Taps()
    watch = taps.begin(IMEI)
    tap = taps.of(IMEI)
    assert tap is not None
    for _ in range(3):
        tap.received(bytes(1_000))
    first = watch.take(5_000)
    assert (len(first), sum(each.size_bytes for each in first) <= 5_000) == (2, True)
    assert len(watch.take(1)) == 1
    assert watch.take(1) == []


def test_a_text_of_any_length_is_cut() -> None:
    taps = Taps()
    watch = taps.begin(IMEI)
    tap = taps.of(IMEI)
    assert tap is not None
    tap.noted("x" * 100_000)
    [event] = watch.take(ALL)
    assert event.size_bytes < 1_000
