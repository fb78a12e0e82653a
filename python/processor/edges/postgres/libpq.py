"""Which libpq this process talks to PostgreSQL with."""

from __future__ import annotations

from psycopg import pq


def libpq_version() -> str:
    """As in `18.0`, with the implementation that psycopg loaded it by: `binary`, `c` or `python`."""
    number = pq.version()
    return f"{number // 10_000}.{number % 10_000} ({pq.__impl__})"
