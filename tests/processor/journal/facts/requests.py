"""The facts of operators' requests."""

from __future__ import annotations

from telemetry.chassis.control.messages import Dropped
from tests.processor.journal.facts.fact import Fact, Line

REQUESTS = [
    Fact(
        lambda journal: journal.request_taken("rehydrate"),
        Line("info", "request taken request=rehydrate", {"request": "rehydrate"}),
        {"requests": {"rehydrate": 1}},
    ),
    Fact(
        lambda journal: journal.request_taken("look"),
        Line("debug", "request taken request=look", {"request": "look"}),
        {"requests": {"look": 1}},
    ),
    Fact(
        lambda journal: journal.request_failed("dump", error="KeyError: 'x'"),
        Line(
            "error",
            "request failed request=dump: KeyError: 'x'",
            {"request": "dump", "error": "KeyError: 'x'"},
        ),
    ),
    Fact(
        lambda journal: journal.control_message_dropped(Dropped.GARBAGE),
        Line("debug", "control message dropped reason=garbage", {"reason": "garbage"}),
        {"control_messages_dropped": {"garbage": 1}},
    ),
    Fact(
        lambda journal: journal.control_lost(error="r:6379: the connection was lost"),
        Line(
            "warn",
            "operators' requests do not reach this instance: r:6379: the connection was lost",
            {"error": "r:6379: the connection was lost"},
        ),
    ),
    # Nothing was lost before: there is nothing to say.
    Fact(lambda journal: journal.control_ready()),
    Fact(
        lambda journal: journal.log_level_changed(level="debug", for_s=60),
        Line(
            "info",
            "log level changed level=debug for_s=60",
            {"log_level": "debug", "for_s": 60},
        ),
    ),
    Fact(
        lambda journal: journal.dump_written(path="/d/processor-dump-a.json"),
        Line(
            "info",
            "dump written path=/d/processor-dump-a.json",
            {"path": "/d/processor-dump-a.json"},
        ),
    ),
]
