"""The way of the operators' commands to the running instances, as the environment names it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingestion.config.settings import RedisSettings
from ingestion.journal import SERVICE
from telemetry.chassis.config.variables import load
from telemetry.chassis.operating.access import Access, open_operator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def open_access(environ: Mapping[str, str]) -> Iterator[Access]:
    """Read the environment and open a client for the block; nothing is sent yet.

    Raises ConfigError for bad variables. In the block, the client's errors become RedisUnavailable and RedisRefused.
    """
    settings = load(RedisSettings, environ)
    with open_operator(settings.redis_url, service=SERVICE) as client:
        yield Access(
            client=client,
            control_channel=settings.redis_control_channel,
            where=settings.redis_url.where,
        )
