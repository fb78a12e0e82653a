"""Fixtures of the task tests: what a task is given beside its edge, and the log that it writes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from trio.testing import MockClock

from processor.core.backoff import Backoff
from processor.logs import Log
from processor.statistics import Build, Recorder
from processor.tasks.in_hand import InHand
from processor.tasks.retrying import Dependency

if TYPE_CHECKING:
    from collections.abc import Iterator


class Told:
    """The events that were logged, as (message, fields)."""

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
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    with caplog.at_level(logging.DEBUG, logger="processor"):
        yield Told(caplog)


@pytest.fixture
def clock() -> MockClock:
    """Virtual time, for the tests that name it: pauses take none, and time-outs are exact."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Build(version="1.0", stream="s", group="g", consumer="c"))


@pytest.fixture
def postgres(recorder: Recorder) -> Dependency:
    return Dependency("postgres", "Postgres", recorder, Log())


@pytest.fixture
def redis(recorder: Recorder) -> Dependency:
    return Dependency("redis", "Redis", recorder, Log())


@pytest.fixture
def backoff() -> Backoff:
    return Backoff(base_ms=100, max_ms=5_000)


@pytest.fixture
def in_hand() -> InHand:
    return InHand()
