"""One poison entry among thousands: its neighbours become rows at once, and it becomes one complete dead letter."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.processes import Service
    from tests.support.servers import Fields, Servers

ENTRIES = 5_000
POISON_AT = 2_600
DLQ_FIELDS = (
    b"dlq_source_id",
    b"dlq_stage",
    b"dlq_code",
    b"dlq_error",
    b"dlq_sqlstate",
    b"dlq_attempts",
    b"dlq_deliveries",
    b"dlq_instance",
    b"dlq_first_failed_at",
    b"dlq_dead_at",
    b"dlq_replays",
)
CHECK = "ALTER TABLE positions ADD CHECK (speed < 200)"

# Refused by the codec, and by the server: the changes to a Position, and the fields of its dead letter.
POISON: dict[str, tuple[dict[str, Any], bytes, bytes]] = {
    "decode": ({"attributes": {"11": "a\x00b"}}, b"unstorable_text", b""),
    "write": ({"speed": 250}, b"refused_by_server", b"23514"),
}
STAGES = pytest.mark.parametrize("stage", POISON)


def poisonous(stage: str, more: Fields | None = None) -> Fields:
    changes, _, _ = POISON[stage]
    return {**entry(3, -1, **changes), **(more or {})}


def among_thousands(servers: Servers, poison: Fields) -> str:
    """Publish it in the middle of one read's entries. Returns its id."""
    servers.own(CHECK)
    entries = drive(ENTRIES - 1, devices=50)
    return servers.publish_at_once([*entries[:POISON_AT], poison, *entries[POISON_AT:]])[POISON_AT]


def lines_about(service: Service, entry_id: str) -> list[dict[str, object]]:
    return [line for line in service.lines if line.get("entry_id") == entry_id]


@STAGES
def test_one_among_five_thousand_is_a_dead_letter_with_all_that_is_known_of_it(
    run: Run, servers: Servers, stage: str
) -> None:
    original = poisonous(stage, {"note": b"\xff\x00 kept", "empty": ""})
    poison = among_thousands(servers, original)
    service = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES - 1, poison=[poison])

    [letter] = servers.dead_letters()
    said = {name: letter.pop(name) for name in DLQ_FIELDS}
    assert letter == {
        str(name).encode(): value if isinstance(value, bytes) else str(value).encode()
        for name, value in original.items()
    }
    _, code, sqlstate = POISON[stage]
    first, dead = (
        datetime.fromisoformat(said.pop(name).decode())
        for name in (b"dlq_first_failed_at", b"dlq_dead_at")
    )
    # At least the threshold passes between the second and the third try.
    assert (dead - first).total_seconds() >= 0.3
    error = said.pop(b"dlq_error").decode()
    assert error
    assert "41.3275" not in error
    assert said == {
        b"dlq_source_id": poison.encode(),
        b"dlq_stage": stage.encode(),
        b"dlq_code": code,
        b"dlq_sqlstate": sqlstate,
        b"dlq_attempts": b"3",
        b"dlq_deliveries": b"3",
        b"dlq_instance": b"processor-1",
        b"dlq_replays": b"0",
    }

    assert service.stop() == 0
    refused, dead_lettered = lines_about(service, poison)
    assert (refused["level"], dead_lettered["level"]) == ("warn", "error")
    assert str(refused["msg"]).startswith("record refused")
    assert str(dead_lettered["msg"]).startswith("dead letter")
    assert [line["code"] for line in (refused, dead_lettered)] == [code.decode()] * 2
    assert service.ledger == {"read": ENTRIES, "acked": ENTRIES - 1, "dead_lettered": 1}


@STAGES
def test_its_neighbours_do_not_wait_for_its_end_and_its_count_survives_restarts(
    run: Run, servers: Servers, stage: str
) -> None:
    poison = among_thousands(servers, poisonous(stage))
    # With the default threshold it would be tried again in a minute.
    first = run().ready()
    first.until_metrics(acks_total=ENTRIES - 1, in_flight_records=0)
    assert servers.pending_ids() == [poison]
    assert servers.rows() == ENTRIES - 1
    recorded = servers.attempts()[poison]
    assert (recorded["n"], recorded["code"].encode()) == (1, POISON[stage][1])
    assert first.stop() == 0
    assert first.ledger == {"read": ENTRIES, "acked": ENTRIES - 1, "left_pending": 1}
    assert servers.attempts() == {poison: recorded}
    assert servers.dead_letters() == []

    # A restart under the same name leaves the entry alone for now.
    second = run(CLAIM_INTERVAL_MS="50").ready()
    servers.until_claim_passes(5)
    assert servers.attempts() == {poison: recorded}
    second.kill()

    third = run(INSTANCE_ID="processor-3", **QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES - 1, poison=[poison])
    [letter] = servers.dead_letters()
    assert letter[b"dlq_attempts"] == b"3"
    assert letter[b"dlq_instance"] == b"processor-3"
    first_failed = letter[b"dlq_first_failed_at"].decode()
    assert first_failed == recorded["first_failed_at"]
    assert third.stop() == 0


def test_two_instances_that_refuse_the_same_entries_in_turn_write_one_dead_letter_each(
    run: Run, servers: Servers
) -> None:
    bad = [poisonous(stage) for _ in range(100) for stage in POISON]
    servers.own(CHECK)
    for n in (1, 2):
        run(INSTANCE_ID=f"processor-{n}", **QUICK_CLAIMS).ready()
    good = drive(200)
    ids = servers.publish([each for pair in zip(bad, good, strict=True) for each in pair])
    servers.until_settled()
    servers.assert_promise_kept(rows=200, poison=ids[::2])
    assert {letter[b"dlq_attempts"] for letter in servers.dead_letters()} == {b"3"}


def test_a_record_that_is_accepted_in_the_end_leaves_no_trace_of_its_failures(
    run: Run, servers: Servers
) -> None:
    servers.own("ALTER TABLE positions ADD CONSTRAINT slow CHECK (speed < 200)")
    [late, _] = servers.publish_at_once([entry(1, 0, speed=250), entry(2, 0)])
    service = run(**QUICK_CLAIMS, DLQ_MAX_ATTEMPTS="1000000").ready()
    service.wait_for("record refused")
    assert late in servers.attempts()
    servers.own("ALTER TABLE positions DROP CONSTRAINT slow")
    servers.until_settled()
    servers.assert_promise_kept(rows=2)


def test_a_replayed_entry_takes_the_count_of_its_replays_along(run: Run, servers: Servers) -> None:
    [poison] = servers.publish([poisonous("decode", {"dlq_replays": "2"})])
    run(DLQ_MAX_ATTEMPTS="1").ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=0, poison=[poison])
    [letter] = servers.dead_letters()
    assert letter[b"dlq_replays"] == b"2"
    assert letter.keys() == {b"ts", b"device_id", b"codec", b"payload", *DLQ_FIELDS}


def test_dead_letters_go_where_they_are_configured_to_go(run: Run, servers: Servers) -> None:
    elsewhere = f"{servers.stream}:graveyard"
    servers.publish([poisonous("decode")])
    run(DLQ_MAX_ATTEMPTS="1", REDIS_DLQ_STREAM=elsewhere).ready()
    servers.until_settled()
    assert servers.dead_letters() == []
    assert servers.redis.xlen(elsewhere) == 1


def test_dead_letters_are_counted_by_their_code(run: Run, servers: Servers) -> None:
    servers.own(CHECK)
    servers.publish([poisonous("decode"), *drive(10), poisonous("write")])
    service = run(DLQ_MAX_ATTEMPTS="1").ready()
    servers.until_settled()
    seen = service.until_metrics(**{'dead_letters_total{code="unstorable_text"}': 1})
    assert seen['dead_letters_total{code="refused_by_server"}'] == 1
    assert seen['decode_errors_total{code="unstorable_text"}'] == 1
