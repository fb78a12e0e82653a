"""The facts of the whole life: start, phases, dependencies, end."""

from __future__ import annotations

from processor.core.ledger import Ledger
from processor.journal.statistics import DrainResult
from telemetry.chassis.health import Readiness
from telemetry.chassis.lifecycle import Phase
from tests.processor.journal.facts.fact import Fact, Line

NOW_MS = 1_777_636_800_000
READY = Readiness(ready=True, reason="")
LEDGER = Ledger(read=9, acked=4, dead_lettered=1, lost=2, taken_over=1, left_pending=1)
LEDGER_FIELDS = {
    "read": 9,
    "acked": 4,
    "dead_lettered": 1,
    "lost": 2,
    "taken_over": 1,
    "released": 0,
    "left_pending": 1,
    "released_unread": 0,
}
LIFE = [
    Fact(
        lambda journal: journal.service_starting(version="1.2"),
        Line("info", "processor starting version=1.2", {"version": "1.2"}),
    ),
    Fact(
        lambda journal: journal.connect_failed(
            "redis",
            where="r:6379",
            error="r:6379: connection refused",
            attempt=2,
            attempts_max=10,
            retry_ms=150,
            is_refusal=False,
        ),
        Line(
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
        {"dependencies": {"redis": Readiness(ready=False, reason="r:6379: connection refused")}},
    ),
    Fact(
        lambda journal: journal.connect_failed(
            "postgres",
            where="db:5432",
            error="db:5432: the server refused: too many clients",
            attempt=2,
            attempts_max=None,
            retry_ms=150,
            is_refusal=True,
        ),
        Line(
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
        {
            "dependencies": {
                "postgres": Readiness(
                    ready=False, reason="db:5432: the server refused: too many clients"
                )
            }
        },
    ),
    Fact(
        lambda journal: journal.dependency_ready("redis"),
        changes={"dependencies": {"redis": READY}},
    ),
    Fact(
        lambda journal: journal.dependency_lost("postgres", "no answer"),
        changes={"dependencies": {"postgres": Readiness(ready=False, reason="no answer")}},
    ),
    Fact(
        lambda journal: journal.start_failed(
            where="db:5432", error="db:5432: refused", is_refusal=True
        ),
        Line(
            "fatal",
            "cannot start: db:5432: refused; the server answers: change what it objects to",
            {"where": "db:5432"},
        ),
    ),
    Fact(
        lambda journal: journal.misconfigured(error="REDIS_DLQ_STREAM: a hash tag is missing"),
        Line(
            "fatal",
            "bad configuration: REDIS_DLQ_STREAM: a hash tag is missing",
            {"error": "REDIS_DLQ_STREAM: a hash tag is missing"},
        ),
    ),
    Fact(
        lambda journal: journal.start_failed(
            where="r:6379", error="r:6379: no route", is_refusal=False
        ),
        Line(
            "fatal",
            "cannot start: r:6379: no route; check that the server runs there",
            {"where": "r:6379"},
        ),
    ),
    Fact(
        lambda journal: journal.postgres_connected(host="db", port="5432"),
        Line("info", "Postgres connected host=db port=5432", {"host": "db", "port": 5432}),
    ),
    Fact(
        lambda journal: journal.postgres_connected(host="a,b", port="5432,5433"),
        Line(
            "info",
            "Postgres connected host=a,b port=5432,5433",
            {"host": "a,b", "port": "5432,5433"},
        ),
    ),
    Fact(
        lambda journal: journal.redis_connected(host="r", port=6379),
        Line("info", "Redis connected host=r port=6379", {"host": "r", "port": 6379}),
    ),
    Fact(
        lambda journal: journal.redis_connected(host="/run/r.sock", port=None),
        Line("info", "Redis connected host=/run/r.sock", {"host": "/run/r.sock", "port": None}),
    ),
    Fact(
        lambda journal: journal.schema_mismatch(differences=("no column speed", "no key")),
        Line(
            "fatal",
            "cannot start: the schema is not what it should be: no column speed; no key; Directus' db-init owns it:"
            " let it run, then start again",
            {"differences": ["no column speed", "no key"]},
        ),
        {"obstacles": {"schema": "no column speed; no key"}},
    ),
    Fact(
        lambda journal: journal.hindered("consumer", "NOGROUP"),
        changes={"obstacles": {"consumer": "NOGROUP"}},
    ),
    Fact(lambda journal: journal.unhindered("consumer")),
    Fact(
        lambda journal: journal.schema_warning(warning="no index"),
        Line("warn", "schema: no index", {"warning": "no index"}),
    ),
    Fact(
        lambda journal: journal.stream_missing(stream="telemetry:misnamed"),
        Line(
            "warn",
            "stream telemetry:misnamed did not exist and was created empty: if tcp-ingestion is running, check that"
            " REDIS_TELEMETRY_STREAM names the stream that it publishes to",
            {"stream": "telemetry:misnamed"},
        ),
    ),
    Fact(
        lambda journal: journal.consumer_started(stream="X", group="Y", consumer="Z"),
        Line(
            "info",
            "consumer started on stream X group Y consumer Z",
            {"stream": "X", "group": "Y", "consumer": "Z"},
        ),
    ),
    Fact(
        lambda journal: journal.service_ready(metrics="0.0.0.0:9090"),
        Line("info", "processor ready", {"metrics": "0.0.0.0:9090"}),
    ),
    Fact(lambda journal: journal.phase_entered(Phase.RUNNING), changes={"phase": Phase.RUNNING}),
    Fact(
        lambda journal: journal.queue_seen(
            lag=3,
            pending_entries=1,
            oldest_id=f"{NOW_MS - 7_000}-3",
            last_id=f"{NOW_MS - 5_000}-0",
            server_ms=NOW_MS + 60_000,
            length=50,
            dead_letters=2,
        ),
        changes={
            "lag": 3,
            "pending_entries": 1,
            "oldest_pending_age_s": 67.0,
            "last_entry_age_s": 65.0,
            "last_id": f"{NOW_MS - 5_000}-0",
            "stream_length": 50,
            "dead_letters_kept": 2,
        },
    ),
    Fact(lambda journal: journal.queue_seen(lag=None, pending_entries=None)),
    Fact(
        lambda journal: journal.shutdown_starting(signal="SIGTERM"),
        Line("info", "shutdown: starting signal=SIGTERM", {"signal": "SIGTERM"}),
        {"drain": DrainResult(duration_s=0.0)},
    ),
    Fact(
        lambda journal: journal.shutdown_starting(signal=None),
        Line("info", "shutdown: starting", {"signal": None}),
        {"drain": DrainResult(duration_s=0.0)},
    ),
    Fact(
        lambda journal: journal.not_released(error="r:6379: no answer"),
        Line(
            "warn",
            "not handed over, others have to wait until it is idle: r:6379: no answer",
            {"error": "r:6379: no answer"},
        ),
    ),
    Fact(
        lambda journal: journal.shutdown_clean_exit(
            signal=None, ledger=LEDGER, steps_ms={"stages": 1_200, "release": 50}
        ),
        Line(
            "info",
            "shutdown: clean exit",
            {
                "signal": None,
                "ledger": LEDGER_FIELDS,
                "steps_ms": {"stages": 1_200, "release": 50},
            },
        ),
        {"drain": DrainResult("clean", 1.25)},
    ),
    Fact(
        lambda journal: journal.shutdown_timed_out(
            ledger=Ledger(read=4, released=3, left_pending=1), steps_ms={"release": 9.0}
        ),
        Line(
            "error",
            "shutdown: timed out released=3 left=1",
            {
                "released": 3,
                "left": 1,
                "ledger": dict.fromkeys(LEDGER_FIELDS, 0)
                | {"read": 4, "released": 3, "left_pending": 1},
                "steps_ms": {"release": 9.0},
            },
        ),
        {"drain": DrainResult("timed_out", 0.009)},
    ),
    Fact(
        lambda journal: journal.uncaught_exception(
            error="KeyError: 'k'",
            tree="Traceback",
            panic_dump=None,
            panic_dump_failure="/d: No space left on device",
        ),
        Line(
            "fatal",
            "uncaught exception KeyError: 'k'",
            {
                "tree": "Traceback",
                "panic_dump": None,
                "panic_dump_failure": "/d: No space left on device",
            },
        ),
    ),
]
