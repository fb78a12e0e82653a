"""The facts about writing."""

from __future__ import annotations

from processor.journal.statistics import WRITE_DURATION_BOUNDS_S, Durations
from telemetry.chassis.health import Readiness
from tests.processor.journal.facts.fact import Fact, Line
from tests.support.counts import DevicesOf

READY = Readiness(ready=True, reason="")


def durations(seconds: float) -> Durations:
    bounds = [*WRITE_DURATION_BOUNDS_S, float("inf")]
    first = min(bound for bound in bounds if seconds <= bound)
    return Durations(tuple(int(bound == first) for bound in bounds), seconds)


WRITING = [
    Fact(
        lambda journal: journal.records_written(inserted=6, duplicates=1, discarded=3),
        changes={"position_writes": {"inserted": 6, "duplicate": 1, "discarded": 3}},
    ),
    Fact(lambda journal: journal.records_failed(2), changes={"position_writes": {"failed": 2}}),
    Fact(lambda journal: journal.write_timed(0.03), changes={"write_durations": durations(0.03)}),
    Fact(lambda journal: journal.write_timed(11.0), changes={"write_durations": durations(11.0)}),
    Fact(
        lambda journal: journal.batch_held("no column speed", is_schema=True),
        changes={"obstacles": {"schema": "no column speed"}, "dependencies": {"postgres": READY}},
    ),
    Fact(
        lambda journal: journal.batch_held("every row is refused", is_schema=False),
        changes={
            "dependencies": {"postgres": Readiness(ready=False, reason="every row is refused")}
        },
    ),
    Fact(lambda journal: journal.table_takes_rows(), changes={"dependencies": {"postgres": READY}}),
    Fact(
        lambda journal: journal.batch_written(
            inserted=40, duplicates=2, discarded=1, failed=3, duration_ms=1.23456
        ),
        Line(
            "debug",
            "batch written inserted=40 duplicates=2 failed=3",
            {"inserted": 40, "duplicates": 2, "discarded": 1, "failed": 3, "duration_ms": 1.235},
        ),
        {"position_writes": {"failed": 3}, "dependencies": {"postgres": READY}},
    ),
    Fact(
        lambda journal: journal.batch_retried(
            rows=5, attempt=1, retry_ms=90, sqlstate="57P01", error="db:5432: shut down"
        ),
        Line(
            "warn",
            "batch failed and is written again rows=5 attempt=1 retry_ms=90: db:5432: shut down",
            {
                "rows": 5,
                "attempt": 1,
                "retry_ms": 90,
                "sqlstate": "57P01",
                "error": "db:5432: shut down",
            },
        ),
        {"write_retries": {"57P01": 1}},
    ),
    Fact(
        lambda journal: journal.batch_retried(
            rows=5, attempt=2, retry_ms=90, sqlstate=None, error="db:5432: lost"
        ),
        Line(
            "warn",
            "batch failed and is written again rows=5 attempt=2 retry_ms=90: db:5432: lost",
            {"rows": 5, "attempt": 2, "retry_ms": 90, "sqlstate": None, "error": "db:5432: lost"},
        ),
        {"write_retries": {"connection": 1}},
    ),
    Fact(
        lambda journal: journal.rows_discarded(n=3),
        Line(
            "warn",
            "a trigger of the table discards rows n=3: they are acknowledged and are not in positions",
            {"n": 3},
        ),
    ),
    Fact(
        lambda journal: journal.records_left(n=2, sqlstate="23514", error="no partition"),
        Line(
            "warn",
            "records left pending for the table's sake n=2, no attempt is counted and they are tried again"
            " when they are claimed: no partition",
            {"n": 2, "sqlstate": "23514", "error": "no partition"},
        ),
    ),
    Fact(
        lambda journal: journal.keys_not_probed(error="db:5432: too slow"),
        Line("debug", "the keys were not probed: db:5432: too slow"),
    ),
    Fact(
        lambda journal: journal.seen_rows_not_proven(error="db:5432: lost"),
        Line("debug", "what was seen is written again: db:5432: lost"),
    ),
    Fact(
        lambda journal: journal.follow_devices(DevicesOf(size=7, evictions=2)),
        changes={"device_state_size": 7, "device_state_evictions": 2},
    ),
    Fact(
        lambda journal: journal.devices_rehydrated("restored", 5),
        changes={"rehydrations": {"restored": 5}},
    ),
    Fact(
        lambda journal: journal.rehydration_failed(
            accumulator="a", devices=3, retry_ms=10_000, sqlstate="57014", error="too slow"
        ),
        Line(
            "warn",
            "rehydration failed accumulator=a devices=3 retry_ms=10000: too slow",
            {
                "accumulator": "a",
                "devices": 3,
                "retry_ms": 10_000,
                "sqlstate": "57014",
                "error": "too slow",
            },
        ),
        {"rehydrations": {"failed": 3}},
    ),
    Fact(
        lambda journal: journal.standby_awaited(sessions=2),
        Line(
            "warn",
            "Postgres waits for a standby to confirm a commit sessions=2; nothing of it is acknowledged"
            " until then: look at pg_stat_replication on the primary",
            {"sessions": 2},
        ),
    ),
    Fact(
        lambda journal: journal.standby_no_longer_awaited(waited_ms=1234.4),
        Line(
            "info",
            "Postgres waits for no standby any more waited_ms=1234",
            {"waited_ms": 1234},
        ),
    ),
]
