"""The document: every section, bounded in size, without secrets, and whole whatever a provider does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from telemetry.chassis.crash import DUMP_BYTES_MAX
from telemetry.chassis.crash.document import document
from telemetry.chassis.crash.sections import BlackBox

if TYPE_CHECKING:
    from telemetry.chassis.crash.document import DumpOptions
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


def box(**providers: Any) -> BlackBox:
    """With these sections, and statistics whether they are there or not."""
    made = BlackBox("statistics")
    made.register(**providers)
    return made


def sections(error: BaseException, box: BlackBox, options: DumpOptions) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(document(error, box, options))
    return shown


def test_a_dump_has_the_chassis_sections_and_the_services_own_between_them(
    options: DumpOptions,
) -> None:
    shown = sections(crash(), box(ledger=lambda: {"read": 3}), options)
    assert list(shown) == [
        "format",
        "time",
        "instance_id",
        "pid",
        "error",
        "failed_task",
        "seen_at",
        "tree",
        "exceptions",
        "tasks",
        "statistics",
        "ledger",
        "configuration",
        "versions",
        "log",
    ]
    assert shown["format"] == "processor-panic/1"
    assert shown["error"] == "ZeroDivisionError: boom"
    assert "in divide" in shown["tree"]
    assert shown["exceptions"]["frames"][-1]["function"] == "divide"
    assert shown["ledger"] == {"read": 3}
    assert shown["statistics"] == {"unavailable": "the service had not come that far"}
    assert {"python", "trio", "codec", "os"} <= shown["versions"].keys()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_section_shows_a_secret_whoever_quotes_it(
    options: DumpOptions, pipe: Pipe, secret: str
) -> None:
    log = pipe.log("info")
    log.info(f"connecting to redis://u:{secret}@h", url=f"x {secret} y")  # noqa: G004
    quoting = box(ledger=lambda: {secret: [secret]}, statistics=raising(secret))
    error = ValueError(f"cannot use {secret}")
    error.__cause__ = crash(secret)
    group = ExceptionGroup(secret, [error, KeyError(secret)])
    text = document(group, quoting, options).decode()
    assert secret not in text
    assert "***" in json.loads(text)["tree"]
    assert "***" in json.loads(text)["log"][0]["msg"]


def raising(text: str) -> Any:
    def provider() -> NoReturn:
        raise RuntimeError(text)

    return provider


def test_a_provider_that_fails_costs_its_own_section(options: DumpOptions) -> None:
    shown = sections(crash(), box(statistics=raising("no"), ledger=lambda: 1), options)
    assert shown["statistics"] == {"unavailable": "RuntimeError: no"}
    assert shown["ledger"] == 1


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_an_error_that_cannot_be_printed_leaves_a_dump(options: DumpOptions) -> None:
    shown = sections(Unprintable(), BlackBox(), options)
    assert shown["error"] == "Unprintable: (its text cannot be made)"


def test_a_group_is_named_by_its_leaves(options: DumpOptions) -> None:
    group = BaseExceptionGroup("g", [ExceptionGroup("h", [KeyError("a")]), ValueError("b")])
    shown = sections(group, BlackBox(), options)
    assert shown["error"].endswith(": KeyError: 'a'; ValueError: b")
    assert shown["exceptions"]["exceptions"][0]["exceptions"][0]["type"] == "builtins.KeyError"


@pytest.mark.parametrize(
    "large",
    [
        box(ledger=lambda: [["x" * 90_000] * 900] * 2),
        box(ledger=lambda: ["\U0001f4a5" * 90_000] * 9, device_states=raising("y" * 10**7)),
    ],
)
def test_a_dump_is_bounded_and_says_what_it_trimmed(options: DumpOptions, large: BlackBox) -> None:
    data = document(crash("z" * 10**7), large, options)
    assert len(data) <= DUMP_BYTES_MAX
    shown = json.loads(data)
    assert shown["ledger"]["trimmed"] > DUMP_BYTES_MAX / 2
    assert shown["configuration"]["BATCH_SIZE"] == 5_000
