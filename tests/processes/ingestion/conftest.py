"""Fixtures of the process tests of tcp-ingestion: what starts it on the run's Redis, with a stream for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.ingestion import ingestions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.servers import RedisServer
    from tests.support.ingestion import Ingest


@pytest.fixture
def ingest(redis_server: RedisServer, stream_name: str, tmp_path: Path) -> Iterator[Ingest]:
    with ingestions(redis_server, stream_name, tmp_path) as start:
        yield start
