"""The facts about settling."""

from __future__ import annotations

from processor.core.attempts import Failure, FailureStage
from processor.core.ledger import Ledger
from processor.journal.statistics import Refusals
from tests.processor.journal.facts.fact import Fact, Line
from tests.support.counts import InFlightOf

MALFORMED = Failure(
    entry_id="1-0",
    failed_at_ms=1,
    stage=FailureStage.DECODE,
    code="bad_type",
    error="bad_type in speed at byte 7",
    field="speed",
    offset=7,
)
REFUSED = Failure(
    entry_id="2-0",
    failed_at_ms=1,
    stage=FailureStage.WRITE,
    code="refused_by_server",
    error="db:5432: new row violates check constraint",
    device_id="356307042441013",
    sqlstate="23514",
)
REFUSED_FIELDS: dict[str, object] = {
    "entry_id": "2-0",
    "device_id": "356307042441013",
    "code": "refused_by_server",
    "field": None,
    "offset": None,
    "sqlstate": "23514",
    "error": "db:5432: new row violates check constraint",
}
SETTLING = [
    Fact(
        lambda journal: journal.follow_in_flight(InFlightOf(2, Ledger(read=9, acked=7))),
        changes={"in_flight_records": 2, "ledger": Ledger(read=9, acked=7)},
    ),
    Fact(lambda journal: journal.records_acked(7), changes={"acks": 7}),
    Fact(
        lambda journal: journal.command_repeated(
            what="acknowledgement", error="r:6379: READONLY", retry_ms=90
        ),
        Line(
            "warn",
            "acknowledgement failed and is repeated: r:6379: READONLY",
            {"error": "r:6379: READONLY", "retry_ms": 90},
        ),
    ),
    Fact(
        lambda journal: journal.leases_renewed(n=5, taken_over=0),
        Line("debug", "leases renewed n=5", {"n": 5, "taken_over": 0}),
    ),
    Fact(
        lambda journal: journal.leases_renewed(n=4, taken_over=1),
        Line("warn", "leases renewed n=4 taken_over=1", {"n": 4, "taken_over": 1}),
    ),
    Fact(
        lambda journal: journal.record_refused(MALFORMED),
        Line(
            "warn",
            "record refused entry_id=1-0 code=bad_type field=speed",
            {
                "entry_id": "1-0",
                "device_id": None,
                "code": "bad_type",
                "field": "speed",
                "offset": 7,
                "sqlstate": None,
                "error": "bad_type in speed at byte 7",
            },
        ),
        {"refusals": {"bad_type": Refusals(1, "1-0", 1, None)}},
    ),
    Fact(
        lambda journal: journal.record_refused(REFUSED),
        Line("warn", "record refused entry_id=2-0 code=refused_by_server", REFUSED_FIELDS),
        {"refusals": {"refused_by_server": Refusals(1, "2-0", 1, "23514")}},
    ),
    Fact(
        lambda journal: journal.dead_lettered(REFUSED, failures=3),
        Line(
            "error",
            "dead letter entry_id=2-0 code=refused_by_server attempts=3",
            {**REFUSED_FIELDS, "stage": "write", "attempts": 3},
        ),
        {"dead_letters": {"refused_by_server": 1}},
    ),
    Fact(
        lambda journal: journal.failures_not_recorded(n=2, error="OOM"),
        Line("error", "failures not recorded n=2: OOM", {"n": 2, "error": "OOM"}),
    ),
]
