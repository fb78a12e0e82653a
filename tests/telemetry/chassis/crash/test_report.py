"""The document: every section, bounded in size, without secrets, and whole whatever a provider does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from telemetry._codec import DeviceStates, InFlightIds
from telemetry.chassis.crash.black_box import (
    ENTRIES_MAX,
    BlackBox,
    sample_devices,
    sample_in_flight,
)
from telemetry.chassis.crash.form import DUMP_BYTES_MAX
from telemetry.chassis.crash.report import document
from telemetry.chassis.logs import configure
from telemetry.chassis.logs.output import BoundedOutput
from tests.support.batches import batch_of, position
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from processor.config import Config
    from tests.support.log_pipe import Pipe

SECRETS = (
    "redis/hush!",
    "redis%2Fhush%21",
    "correct horse/battery",
    "correct%20horse%2Fbattery",
    "key-hush",
)


def crash(message: str = "boom") -> BaseException:
    with pytest.raises(ZeroDivisionError) as caught:
        divide(message)
    return caught.value


def divide(message: str) -> NoReturn:
    raise ZeroDivisionError(message)


def sections(error: BaseException, box: BlackBox, config: Config) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(document(error, box, config))
    return told


def test_a_dump_has_every_section(config: Config) -> None:
    journal = new_journal()
    ids = InFlightIds()
    ids.take_ids(["1-0"], 0)
    ids.take_ids(["2-0"], 59_000)
    box = BlackBox(
        statistics=journal.snapshot,
        in_flight=lambda: sample_in_flight(ids, 60_000),
        ledger=lambda: {"read": 3},
    )
    told = sections(crash(), box, config)
    assert told["error"] == "ZeroDivisionError: boom"
    assert "in divide" in told["tree"]
    assert told["exceptions"]["frames"][-1]["function"] == "divide"
    assert told["in_flight"] == {"entries": 2, "oldest": {"1-0": 60_000, "2-0": 1_000}}
    assert told["ledger"] == {"read": 3}
    assert told["statistics"]["phase"] == "starting"
    assert told["statistics"]["dependencies"]["redis"]["ready"] is False
    assert told["device_states"] == {"unavailable": "the service had not come that far"}
    assert told["configuration"]["BATCH_SIZE"] == 5_000
    assert told["configuration"]["POSTGRES_URL"]["host"] == "h"
    assert {"python", "trio", "psycopg", "libpq", "codec", "os", "processor"} <= told[
        "versions"
    ].keys()


def test_the_device_states_are_told_by_their_size_and_a_sample() -> None:
    states = DeviceStates(10)
    batch = batch_of([position(1, 1), position(2, 2)])
    states.update(batch, 77)
    told = sample_devices(states)
    assert (told.held, told.evictions) == (2, 0)
    assert sorted(told.sample) == batch.device_ids
    assert told.sample[batch.device_ids[0]]["last_seen_ms"] == 77


def test_many_entries_in_flight_are_counted_and_the_longest_held_are_named() -> None:
    ids = InFlightIds()
    ids.take_ids([f"{n}-0" for n in range(10_000, 10_000 + ENTRIES_MAX)], 90)
    ids.take_ids(["99999-0"], 0)
    told = sample_in_flight(ids, 100)
    assert told.entries == ENTRIES_MAX + 1
    assert len(told.oldest) == ENTRIES_MAX
    assert next(iter(told.oldest.items())) == ("99999-0", 100)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_section_shows_a_secret_whoever_quotes_it(
    config: Config, pipe: Pipe, secret: str
) -> None:
    log = configure(level="info", form="json", instance_id="i", output=BoundedOutput(pipe.write_fd))
    log.info(f"connecting to redis://u:{secret}@h", url=f"x {secret} y")  # noqa: G004
    box = BlackBox(ledger=lambda: {secret: [secret]}, statistics=raising(secret))
    error = ValueError(f"cannot use {secret}")
    error.__cause__ = crash(secret)
    group = ExceptionGroup(secret, [error, KeyError(secret)])
    text = document(group, box, config).decode()
    assert secret not in text
    assert "***" in json.loads(text)["tree"]
    assert "***" in json.loads(text)["log"][0]["msg"]


def raising(text: str) -> Any:
    def provider() -> NoReturn:
        raise RuntimeError(text)

    return provider


def test_a_provider_that_fails_costs_its_own_section(config: Config) -> None:
    told = sections(crash(), BlackBox(statistics=raising("no"), ledger=lambda: 1), config)
    assert told["statistics"] == {"unavailable": "RuntimeError: no"}
    assert told["ledger"] == 1


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_an_error_that_cannot_be_printed_leaves_a_dump(config: Config) -> None:
    told = sections(Unprintable(), BlackBox(), config)
    assert told["error"] == "Unprintable: (its text cannot be made)"


def test_a_group_is_named_by_its_leaves(config: Config) -> None:
    group = BaseExceptionGroup("g", [ExceptionGroup("h", [KeyError("a")]), ValueError("b")])
    told = sections(group, BlackBox(), config)
    assert told["error"].endswith(": KeyError: 'a'; ValueError: b")
    assert told["exceptions"]["exceptions"][0]["exceptions"][0]["type"] == "builtins.KeyError"


@pytest.mark.parametrize(
    "box",
    [
        BlackBox(ledger=lambda: [["x" * 90_000] * 900] * 2),
        BlackBox(ledger=lambda: ["\U0001f4a5" * 90_000] * 9, device_states=raising("y" * 10**7)),
    ],
)
def test_a_dump_is_bounded_and_says_what_it_trimmed(config: Config, box: BlackBox) -> None:
    data = document(crash("z" * 10**7), box, config)
    assert len(data) <= DUMP_BYTES_MAX
    told = json.loads(data)
    assert told["ledger"]["trimmed"] > DUMP_BYTES_MAX / 2
    assert told["configuration"]["BATCH_SIZE"] == 5_000
