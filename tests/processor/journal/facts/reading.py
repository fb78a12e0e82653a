"""The facts about reading."""

from __future__ import annotations

from tests.processor.journal.facts.fact import Fact, Line

READING = [
    Fact(lambda journal: journal.read_answered(entries=42), changes={"reads": {"ok": 1}}),
    Fact(
        lambda journal: journal.read_answered(entries=0),
        changes={"reads": {"empty": 1}, "lag": 0},
    ),
    Fact(
        lambda journal: journal.read_failed(error="r:6379: connection lost", count=5, retry_ms=90),
        Line(
            "warn",
            "read failed and is repeated: r:6379: connection lost",
            {"error": "r:6379: connection lost", "count": 5, "retry_ms": 90},
        ),
        {"reads": {"error": 1}},
    ),
    Fact(
        lambda journal: journal.read_failed(
            error="r:6379: NOGROUP", count=5, retry_ms=90, is_group_gone=True
        ),
        Line(
            "warn",
            "read failed and is repeated: r:6379: NOGROUP",
            {"error": "r:6379: NOGROUP", "count": 5, "retry_ms": 90},
        ),
        {"reads": {"error": 1}, "obstacles": {"consumer": "r:6379: NOGROUP"}},
    ),
    Fact(
        lambda journal: journal.group_gone(error="NOGROUP"),
        Line(
            "error",
            "consumer group is gone and is created again at id 0: entries may have been lost, and those still in the"
            " stream are read again: NOGROUP",
            {"error": "NOGROUP"},
        ),
    ),
    Fact(
        lambda journal: journal.batch_consumed(
            n=42,
            first_id="1-0",
            last_id="2-0",
            redelivered=False,
            refused=["bad_json", "brand_new"],
        ),
        Line(
            "debug",
            "batch consumed n=42",
            {"n": 42, "first_id": "1-0", "last_id": "2-0", "redelivered": False},
        ),
        {
            "records_read": 42,
            "last_record_age_s": 0.0,
            "decode_errors": {"bad_json": 1, "brand_new": 1},
        },
    ),
    Fact(lambda journal: journal.entries_claimed(4), changes={"entries_claimed": 4}),
    Fact(
        lambda journal: journal.claim_failed(error="r:6379: no answer", retry_ms=15_000),
        Line(
            "warn",
            "claim failed and is repeated: r:6379: no answer",
            {"error": "r:6379: no answer", "retry_ms": 15_000},
        ),
    ),
    Fact(
        lambda journal: journal.entries_lost(["1-0", "2-0"]),
        Line(
            "error",
            "entries lost n=2: deleted or trimmed from the stream before they were written; raise its MAXLEN",
            {"n": 2, "first_id": "1-0", "last_id": "2-0", "entry_ids": ["1-0", "2-0"]},
        ),
        {"entries_lost": 2},
    ),
    Fact(
        lambda journal: journal.trial_begun(entry_id="1-0"),
        Line(
            "warn",
            "crash suspect is tried alone entry_id=1-0: it was delivered again and again without an answer",
            {"entry_id": "1-0"},
        ),
    ),
    Fact(
        lambda journal: journal.trials_lack_a_session(error="too many", waits=False),
        Line(
            "warn",
            "no session for the trials of crash suspects, a writer's session is used: too many",
            {"error": "too many"},
        ),
    ),
    Fact(
        lambda journal: journal.trials_lack_a_session(error="too many", waits=True),
        Line(
            "warn",
            "no session for the trials of crash suspects, they wait until one is free or a writer is: too many",
            {"error": "too many"},
        ),
    ),
    Fact(
        lambda journal: journal.reader_stopped(task="consumer"),
        Line("debug", "consumer stopped: the writers are gone"),
    ),
]
