"""Fixtures for tests of tasks: the arguments of a task beside its edge, and the log that it writes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from processor.core import small_batches
from processor.core.in_flight import InFlight
from processor.journal.journal import Journal
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff
from tests.support.commit_harness import CommitHarness
from tests.support.fakes.redis import NOON_US
from tests.support.journals import new_journal
from tests.support.redis_harness import RedisHarness
from tests.support.service_harness import ServiceHarness

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogLines:
    """The lines that were logged, as (message, fields)."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def lines(self, beginning: str = "") -> list[tuple[str, dict[str, Any]]]:
        return [
            (record.getMessage(), record.__dict__["fields"])
            for record in self._caplog.records
            if record.name == "processor" and record.getMessage().startswith(beginning)
        ]

    def fields(self, beginning: str) -> list[dict[str, Any]]:
        return [fields for _, fields in self.lines(beginning)]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[LogLines]:
    with caplog.at_level(logging.DEBUG, logger="processor"):
        yield LogLines(caplog)


@pytest.fixture
def clock() -> MockClock:
    """Virtual time, for tests that ask for it: pauses take no real time, and time-outs are exact."""
    return MockClock(autojump_threshold=0)


@pytest.fixture(autouse=True)
def time_of_day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day begins at noon, and passes with the virtual clock."""
    if request.node.get_closest_marker("trio") is not None:
        monkeypatch.setattr(clocks, "unix_ms", unix_ms)


def unix_ms() -> int:
    return NOON_US // 1000 + round(trio.current_time() * 1000)


@pytest.fixture
def journal() -> Journal:
    return new_journal()


@pytest.fixture
def backoff() -> Backoff:
    return Backoff(base_ms=100, max_ms=5_000)


@pytest.fixture
def in_flight(journal: Journal) -> InFlight:
    in_flight = InFlight(clock=clocks.monotonic_ms, on_acked=journal.records_acked)
    journal.follow_in_flight(in_flight)
    return in_flight


@pytest.fixture
async def harness(in_flight: InFlight, journal: Journal, backoff: Backoff) -> RedisHarness:
    harness = RedisHarness(in_flight, journal, backoff)
    await harness.open()
    return harness


@pytest.fixture
async def busy_harness(in_flight: InFlight, journal: Journal, backoff: Backoff) -> RedisHarness:
    """A harness in which each batch is admitted only once it is received."""
    harness = RedisHarness(in_flight, journal, backoff, capacity=1)
    await harness.open()
    await harness.keep_busy()
    return harness


@pytest.fixture
def no_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch goes the way of large ones, whatever its size."""
    monkeypatch.setattr(small_batches, "ROWS_MAX", 0)


@pytest.fixture(params=["copy_direct", "insert_new", "staged"])
def way(request: pytest.FixtureRequest) -> str:
    """A PositionStore's method that writes; `staged` is `insert_new` for a large batch."""
    name: str = request.param
    if name != "staged":
        return name
    request.getfixturevalue("no_small_batches")
    return "insert_new"


@pytest.fixture
def commits(journal: Journal, backoff: Backoff) -> CommitHarness:
    return CommitHarness(journal, backoff)


@pytest.fixture
def service() -> ServiceHarness:
    return ServiceHarness()
