"""The secrets that a configuration holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.config.secrets import secrets_in_url, spellings

if TYPE_CHECKING:
    from processor.config.settings import Config


def secrets_of(config: Config) -> tuple[str, ...]:
    """Passwords as they are and as URLs spell them, the longest first."""
    postgres_secrets = secrets_in_url(config.postgres_url.conninfo)
    return spellings((*postgres_secrets, config.redis_url.password or ""))
