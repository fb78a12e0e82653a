"""The contract's log lines: levels and words as people search for them, values in the text and as fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.core.attempts import Failure, FailureStage
from processor.core.ledger import Ledger
from processor.journal import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.chassis.logs import Log
    from tests.support.log_pipe import Pipe

LEFT = (
    "records left pending for the table's sake n=2, no attempt is counted and they are tried again"
    " when they are claimed: no partition"
)
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

LINES: list[tuple[Callable[[Log], None], str, str, dict[str, object]]] = [
    (
        lambda log: events.processor_starting(log, version="1.2"),
        "info",
        "processor starting version=1.2",
        {"version": "1.2"},
    ),
    (
        lambda log: events.postgres_connected(log, host="db", port="5432"),
        "info",
        "Postgres connected host=db port=5432",
        {"host": "db", "port": 5432},
    ),
    (
        lambda log: events.redis_connected(log, host="r", port=6379),
        "info",
        "Redis connected host=r port=6379",
        {"host": "r", "port": 6379},
    ),
    (
        lambda log: events.redis_connected(log, host="/run/r.sock", port=None),
        "info",
        "Redis connected host=/run/r.sock",
        {"host": "/run/r.sock", "port": None},
    ),
    (
        lambda log: events.consumer_started(log, stream="X", group="Y", consumer="Z"),
        "info",
        "consumer started on stream X group Y consumer Z",
        {"stream": "X", "group": "Y", "consumer": "Z"},
    ),
    (
        lambda log: events.processor_ready(log, metrics="0.0.0.0:9090"),
        "info",
        "processor ready",
        {"metrics": "0.0.0.0:9090"},
    ),
    (
        lambda log: events.rehydration_failed(
            log, accumulator="a", devices=3, retry_ms=10_000, sqlstate="57014", error="too slow"
        ),
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
    (
        lambda log: events.batch_consumed(
            log, n=42, first_id="1-0", last_id="2-0", redelivered=False
        ),
        "debug",
        "batch consumed n=42",
        {"n": 42, "first_id": "1-0", "last_id": "2-0", "redelivered": False},
    ),
    (
        lambda log: events.batch_written(
            log, inserted=40, duplicates=2, discarded=1, failed=0, duration_ms=1.23456
        ),
        "debug",
        "batch written inserted=40 duplicates=2 failed=0",
        {"inserted": 40, "duplicates": 2, "discarded": 1, "failed": 0, "duration_ms": 1.235},
    ),
    (
        lambda log: events.rows_discarded(log, n=3),
        "warn",
        "a trigger of the table discards rows n=3: they are acknowledged and are not in positions",
        {"n": 3},
    ),
    (
        lambda log: events.records_left(log, n=2, sqlstate="23514", error="no partition"),
        "warn",
        LEFT,
        {"n": 2, "sqlstate": "23514", "error": "no partition"},
    ),
    (
        lambda log: events.trials_lack_a_session(log, error="too many", waits=False),
        "warn",
        "no session for the trials of crash suspects, a writer's session is used: too many",
        {"error": "too many"},
    ),
    (
        lambda log: events.record_refused(log, MALFORMED),
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
    (
        lambda log: events.record_refused(log, REFUSED),
        "warn",
        "record refused entry_id=2-0 code=refused_by_server",
        {
            "entry_id": "2-0",
            "device_id": "356307042441013",
            "code": "refused_by_server",
            "field": None,
            "offset": None,
            "sqlstate": "23514",
            "error": "db:5432: new row violates check constraint",
        },
    ),
    (
        lambda log: events.dead_lettered(log, REFUSED, failures=3),
        "error",
        "dead letter entry_id=2-0 code=refused_by_server attempts=3",
        {
            "entry_id": "2-0",
            "device_id": "356307042441013",
            "code": "refused_by_server",
            "field": None,
            "offset": None,
            "sqlstate": "23514",
            "error": "db:5432: new row violates check constraint",
            "stage": "write",
            "attempts": 3,
        },
    ),
    (
        lambda log: events.trial_begun(log, entry_id="1-0"),
        "warn",
        "crash suspect is tried alone entry_id=1-0: it was delivered again and again without an answer",
        {"entry_id": "1-0"},
    ),
    (
        lambda log: events.leases_renewed(log, n=5, taken_over=0),
        "debug",
        "leases renewed n=5",
        {"n": 5, "taken_over": 0},
    ),
    (
        lambda log: events.leases_renewed(log, n=4, taken_over=1),
        "warn",
        "leases renewed n=4 taken_over=1",
        {"n": 4, "taken_over": 1},
    ),
    (
        lambda log: events.claim_failed(log, error="r:6379: no answer", retry_ms=15_000),
        "warn",
        "claim failed and is repeated: r:6379: no answer",
        {"error": "r:6379: no answer", "retry_ms": 15_000},
    ),
    (
        lambda log: events.command_repeated(
            log, what="acknowledgement", error="r:6379: READONLY", retry_ms=90
        ),
        "warn",
        "acknowledgement failed and is repeated: r:6379: READONLY",
        {"error": "r:6379: READONLY", "retry_ms": 90},
    ),
    (
        lambda log: events.entries_lost(log, entry_ids=["1-0", "2-0"]),
        "error",
        "entries lost n=2: deleted or trimmed from the stream before they were written; raise its MAXLEN",
        {"n": 2, "first_id": "1-0", "last_id": "2-0", "entry_ids": ["1-0", "2-0"]},
    ),
    (
        lambda log: events.shutdown_starting(log, signal="SIGTERM"),
        "info",
        "shutdown: starting signal=SIGTERM",
        {"signal": "SIGTERM"},
    ),
    (
        lambda log: events.shutdown_clean_exit(
            log,
            signal=None,
            ledger=Ledger(read=9, acked=4, dead_lettered=1, lost=2, taken_over=1, left_pending=1),
            steps_ms={"drain": 2.5},
        ),
        "info",
        "shutdown: clean exit",
        {
            "signal": None,
            "ledger": {
                "read": 9,
                "acked": 4,
                "dead_lettered": 1,
                "lost": 2,
                "taken_over": 1,
                "released": 0,
                "left_pending": 1,
                "released_unread": 0,
            },
            "steps_ms": {"drain": 2.5},
        },
    ),
    (
        lambda log: events.shutdown_timed_out(
            log, ledger=Ledger(read=4, released=3, left_pending=1), steps_ms={"hand_over": 9.0}
        ),
        "error",
        "shutdown: timed out released=3 left=1",
        {
            "released": 3,
            "left": 1,
            "ledger": {
                "read": 4,
                "acked": 0,
                "dead_lettered": 0,
                "lost": 0,
                "taken_over": 0,
                "released": 3,
                "left_pending": 1,
                "released_unread": 0,
            },
            "steps_ms": {"hand_over": 9.0},
        },
    ),
    (
        lambda log: events.uncaught_exception(
            log,
            error="KeyError: 'k'",
            tree="Traceback",
            panic_dump=None,
            panic_dump_failure="/d: No space left on device",
        ),
        "fatal",
        "uncaught exception KeyError: 'k'",
        {
            "tree": "Traceback",
            "panic_dump": None,
            "panic_dump_failure": "/d: No space left on device",
        },
    ),
    (
        lambda log: events.connect_failed(
            log,
            dependency="Redis",
            where="r:6379",
            error="r:6379: connection refused",
            attempt=2,
            attempts_max=10,
            retry_ms=150,
            is_refusal=False,
        ),
        "warn",
        "Redis unreachable attempt=2 of 10 retry_ms=150: r:6379: connection refused",
        {
            "dependency": "Redis",
            "where": "r:6379",
            "attempt": 2,
            "attempts_max": 10,
            "retry_ms": 150,
            "error": "r:6379: connection refused",
        },
    ),
    (
        lambda log: events.connect_failed(
            log,
            dependency="Postgres",
            where="db:5432",
            error="db:5432: the server refused: too many clients",
            attempt=2,
            attempts_max=None,
            retry_ms=150,
            is_refusal=True,
        ),
        "warn",
        "Postgres refuses attempt=2 retry_ms=150: db:5432: the server refused: too many clients",
        {
            "dependency": "Postgres",
            "where": "db:5432",
            "attempt": 2,
            "attempts_max": None,
            "retry_ms": 150,
            "error": "db:5432: the server refused: too many clients",
        },
    ),
    (
        lambda log: events.standby_awaited(log, sessions=2),
        "warn",
        (
            "Postgres waits for a standby to confirm a commit sessions=2; nothing of it is acknowledged"
            " until then: look at pg_stat_replication on the primary"
        ),
        {"sessions": 2},
    ),
    (
        lambda log: events.standby_no_longer_awaited(log, waited_ms=1234.4),
        "info",
        "Postgres waits for no standby any more waited_ms=1234",
        {"waited_ms": 1234},
    ),
    (
        lambda log: events.batch_retried(
            log, rows=5, attempt=1, retry_ms=90, sqlstate="57P01", error="db:5432: shut down"
        ),
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
]


@pytest.mark.parametrize(("write", "level", "msg", "fields"), LINES, ids=[row[2] for row in LINES])
def test_a_line_is_written_as_the_contract_has_it(
    pipe: Pipe, write: Callable[[Log], None], level: str, msg: str, fields: dict[str, object]
) -> None:
    write(pipe.log())
    (line,) = pipe.lines()
    leading = {name: line.pop(name) for name in ("time", "level", "service", "instance_id", "msg")}
    assert (leading["level"], leading["msg"]) == (level, msg)
    assert line == fields


def test_of_many_lost_entries_every_id_is_told_in_several_lines(pipe: Pipe) -> None:
    entry_ids = [f"{number}-0" for number in range(1, 2 * events.IDS_SHOWN_MAX + 2)]
    events.entries_lost(pipe.log(), entry_ids=entry_ids)
    lines = pipe.lines()
    assert [line["n"] for line in lines] == [events.IDS_SHOWN_MAX, events.IDS_SHOWN_MAX, 1]
    assert [entry_id for line in lines for entry_id in line["entry_ids"]] == entry_ids


def test_a_missing_stream_is_a_warning_that_says_what_to_check(pipe: Pipe) -> None:
    events.stream_missing(pipe.log(), stream="telemetry:misnamed")
    (line,) = pipe.lines()
    assert (line["level"], line["stream"]) == ("warn", "telemetry:misnamed")
    assert "REDIS_TELEMETRY_STREAM" in line["msg"]
