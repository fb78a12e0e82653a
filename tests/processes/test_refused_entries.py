"""Entries that are not Positions, and entries that are gone: logged, counted, and never in the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from telemetry._codec import DECODE_CODES
from tests.support.batches import position
from tests.support.servers import GROUP, drive, entry

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.servers import Fields, Servers

DEVICE = position(1, 0)["device_id"]
PAYLOAD_BYTES_MAX = 2_000


def without(fields: dict[Any, Any], name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


def with_payload(payload: str | bytes) -> Fields:
    return {**entry(1, 0), "payload": payload}


# One entry of each code, and the field that the log line names.
MALFORMED: dict[str, tuple[Fields, str | None]] = {
    "missing_payload": (without(entry(1, 0), "payload"), "payload"),
    "missing_codec": (without(entry(1, 0), "codec"), "codec"),
    "unknown_codec": ({**entry(1, 0), "codec": "12"}, "codec"),
    "bad_json": (with_payload('{"device_id":'), None),
    "missing_field": (with_payload(json.dumps(without(position(1, 0), "speed"))), "speed"),
    "bad_type": (entry(1, 0, latitude="north"), "latitude"),
    "out_of_range": (entry(1, 0, longitude=180.5), "longitude"),
    "bad_timestamp": (entry(1, 0, timestamp="2026-02-30T00:00:00Z"), "timestamp"),
    "ts_out_of_window": (entry(1, 0, timestamp="1970-01-01T00:00:00Z"), "timestamp"),
    "bad_sentinel": (entry(1, 0, attributes={"78": {"__bigint": "12x"}}), "attributes"),
    "unstorable_text": (entry(1, 0, attributes={"11": "a\x00b"}), "attributes"),
    "too_large": (entry(1, 0, attributes={"11": "x" * PAYLOAD_BYTES_MAX}), "payload"),
    "too_deep": (with_payload('{"extra":' + "[" * 100 + "]" * 100 + "}"), None),
}


def test_every_decode_failure_is_counted_logged_once_and_left_pending_and_its_neighbours_are_written(
    run: Run, servers: Servers
) -> None:
    assert tuple(MALFORMED) == DECODE_CODES
    entries = [neighbour for bad, _ in MALFORMED.values() for neighbour in (bad, None)]
    good = iter(drive(len(MALFORMED)))
    ids = servers.publish_at_once([each or next(good) for each in entries])
    bad_ids, good_ids = ids[::2], ids[1::2]

    service = run(MAX_PAYLOAD_BYTES=str(PAYLOAD_BYTES_MAX)).ready()
    seen = service.until_metrics(acks_total=len(good_ids), in_flight_records=0)
    assert {
        code: seen[f'decode_errors_total{{code="{code}"}}'] for code in DECODE_CODES
    } == dict.fromkeys(DECODE_CODES, 1)
    assert seen["consumer_records_total"] == len(ids)
    assert seen['position_writes_total{status="failed"}'] == 0
    assert servers.rows() == len(good_ids)
    assert servers.pending_ids() == bad_ids

    assert service.stop() == 0
    assert service.ledger == {"read": 26, "acked": 13, "left_pending": 13}
    lines = service.logged("record refused")
    assert [(line["entry_id"], line["code"]) for line in lines] == list(
        zip(bad_ids, MALFORMED, strict=True)
    )
    assert {line["level"] for line in lines} == {"warn"}
    assert {line["device_id"] for line in lines} == {DEVICE}
    assert [line["field"] for line in lines] == [field for _, field in MALFORMED.values()]


def test_pending_entries_that_were_trimmed_are_logged_as_lost_and_acknowledged(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    ids = servers.publish(drive(20))
    servers.redis.xreadgroup(GROUP, "processor-1", {servers.stream: ">"}, count=20)
    servers.redis.xtrim(servers.stream, minid=ids[5], approximate=False)

    service = run().ready()
    line = service.wait_for("entries lost")
    assert (line["level"], line["n"]) == ("error", 5)
    assert (line["first_id"], line["last_id"]) == (ids[0], ids[4])
    seen = service.until_metrics(acks_total=15, in_flight_records=0)
    assert seen['position_writes_total{status="inserted"}'] == 15
    assert servers.pending() == 0
    assert servers.rows() == 15
    assert service.stop() == 0
    assert len(service.logged("entries lost")) == 1
    assert service.ledger == {"read": 20, "acked": 15, "lost": 5}
