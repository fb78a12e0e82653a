"""Fixtures of the tests of panic dumps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from processor.config import load_config
from processor.service.assembly import dump_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.chassis.crash.document import DumpOptions


@pytest.fixture
def dump_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "dumps"
    directory.mkdir()
    return directory


@pytest.fixture
def options(dump_dir: Path) -> DumpOptions:
    """The processor's; both servers have passwords that need escapes in a URL."""
    return dump_options(
        load_config(
            {
                "REDIS_URL": "redis://u:redis%2Fhush%21@127.0.0.1",
                "POSTGRES_URL": "postgresql://u:correct%20horse%2Fbattery@h/d?sslpassword=key-hush",
                "PANIC_DUMP_DIR": str(dump_dir),
            }
        )
    )


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a hanging disk waits for: the end of the test."""
    event = threading.Event()
    yield event
    event.set()
