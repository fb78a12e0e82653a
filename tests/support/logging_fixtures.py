"""Fixtures for tests of what is logged."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.logs.log import OutputHandler
from tests.support.log_pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read_fd, write_fd = os.pipe()
    yield Pipe(read_fd, write_fd)
    for fd in (read_fd, write_fd):
        try:
            os.close(fd)
        except OSError:
            continue  # The test closed it.


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what `configure` does to the process."""
    root = logging.getLogger()
    level = root.level
    yield
    logging.captureWarnings(capture=False)
    root.setLevel(level)
    for handler in [each for each in root.handlers if isinstance(each, OutputHandler)]:
        root.removeHandler(handler)
