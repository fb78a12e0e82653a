from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from bench.codec import compare, encode_ours, encode_peer
from bench.entries import USUAL_FLEET, WIDE_FLEET, capture_entries, fleet_entries
from bench.measure import BenchError
from bench.replies import as_replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.replies import Reply


def test_codec_and_python_write_the_same_rows_of_the_captured_drive() -> None:
    records, rows = compare(as_replies(capture_entries()))

    assert records == 13_732
    # Repeats within one reply are dropped, those of another reply are not known yet.
    assert 12_375 <= rows < records


def test_codec_and_python_write_the_same_rows_of_wide_entries() -> None:
    assert compare(as_replies(list(fleet_entries(WIDE_FLEET, 500)))) == (500, 500)


def test_a_row_that_differs_is_noticed() -> None:
    def shifted(
        replies: Iterable[Reply],
        copy_sink: Callable[[bytes], object],
        ack_sink: Callable[[bytes], object],
    ) -> None:
        encode_ours(replies, lambda chunk: copy_sink(chunk.replace(b'"239"', b'"238"')), ack_sink)

    with pytest.raises(BenchError, match="different rows"):
        compare(as_replies(list(fleet_entries(WIDE_FLEET, 5))), ours=shifted)


def test_an_ack_that_is_missing_is_noticed() -> None:
    def forgetful(
        replies: Iterable[Reply],
        copy_sink: Callable[[bytes], object],
        ack_sink: Callable[[bytes], object],
    ) -> None:
        encode_peer(
            replies, copy_sink, lambda _ack: ack_sink(b"*3\r\n$4\r\nXACK\r\n$1\r\ns\r\n$1\r\ng\r\n")
        )

    with pytest.raises(BenchError, match="ack different entries"):
        compare(as_replies(list(fleet_entries(WIDE_FLEET, 5))), peer=forgetful)


def test_a_fleet_is_the_same_each_time_and_repeats_no_key() -> None:
    entries = list(fleet_entries(USUAL_FLEET, 3000))

    assert entries == list(fleet_entries(USUAL_FLEET, 3000))
    assert len({(entry.device_id, entry.ts) for entry in entries}) == 3000


def test_attributes_come_in_the_order_and_size_that_the_comparison_names() -> None:
    payloads = [orjson.loads(entry.payload) for entry in fleet_entries(WIDE_FLEET, 500)]
    sizes = [len(orjson.dumps(payload["attributes"])) for payload in payloads]

    assert all(
        list(map(int, p["attributes"])) == sorted(map(int, p["attributes"])) for p in payloads
    )
    assert 320 <= sum(sizes) / len(sizes) <= 340
