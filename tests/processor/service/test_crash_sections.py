"""The processor's sections of a panic dump."""

from __future__ import annotations

import json

from processor.config import load_config
from processor.service.assembly import dump_options
from processor.service.crash_sections import (
    ENTRIES_MAX,
    SECTIONS,
    sample_devices,
    sample_in_flight,
)
from telemetry._codec import DeviceStates, InFlightIds
from telemetry.chassis.crash.document import document
from telemetry.chassis.crash.sections import BlackBox
from tests.support.batches import batch_of, position
from tests.support.journals import new_journal

ENVIRONMENT = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgresql://u:hush@h/d"}


def test_a_dump_has_every_section() -> None:
    journal = new_journal()
    ids = InFlightIds()
    ids.take_ids(["1-0"], 0)
    ids.take_ids(["2-0"], 59_000)
    box = BlackBox(*SECTIONS)
    box.register(
        statistics=journal.snapshot,
        in_flight=lambda: sample_in_flight(ids, 60_000),
        ledger=lambda: {"read": 3},
    )
    options = dump_options(load_config(ENVIRONMENT))
    dump = json.loads(document(ZeroDivisionError("boom"), box, options))
    assert dump["error"] == "ZeroDivisionError: boom"
    assert dump["in_flight"] == {"entries": 2, "oldest": {"1-0": 60_000, "2-0": 1_000}}
    assert dump["ledger"] == {"read": 3}
    assert dump["statistics"]["phase"] == "starting"
    assert dump["statistics"]["dependencies"]["redis"]["ready"] is False
    assert dump["device_states"] == {"unavailable": "the service had not come that far"}
    assert dump["configuration"]["BATCH_SIZE"] == 5_000
    assert dump["configuration"]["POSTGRES_URL"]["host"] == "h"
    assert {"python", "trio", "psycopg", "libpq", "codec", "os", "processor"} <= dump[
        "versions"
    ].keys()


def test_the_device_states_are_shown_by_their_size_and_a_sample() -> None:
    states = DeviceStates(10)
    batch = batch_of([position(1, 1), position(2, 2)])
    states.update(batch, 77)
    sample = sample_devices(states)
    assert (sample.held, sample.evictions) == (2, 0)
    assert sorted(sample.sample) == batch.device_ids
    assert sample.sample[batch.device_ids[0]]["last_seen_ms"] == 77


def test_many_entries_in_flight_are_counted_and_the_longest_held_are_named() -> None:
    ids = InFlightIds()
    ids.take_ids([f"{n}-0" for n in range(10_000, 10_000 + ENTRIES_MAX)], 90)
    ids.take_ids(["99999-0"], 0)
    sample = sample_in_flight(ids, 100)
    assert sample.entries == ENTRIES_MAX + 1
    assert len(sample.oldest) == ENTRIES_MAX
    assert next(iter(sample.oldest.items())) == ("99999-0", 100)
