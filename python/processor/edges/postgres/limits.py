"""How long a PostgreSQL server is waited for before the session is given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreLimits:
    """Bounds of one store. A commit that the server holds for a standby is waited for beyond them."""

    connect_timeout_ms: int = 5_000
    # TimescaleDB's compression has stalled a batch for 5 s: less would turn maintenance into failures.
    write_timeout_ms: int = 30_000
    # Writing waits for the answer, and can do without it.
    restore_timeout_ms: int = 3_000
    # After a deadline or a time-out, for the server to confirm that it stopped the command.
    cancel_grace_ms: int = 300
