"""How long a server is waited for before it is given up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.edges.postgres.connection import TrioConnection


@dataclass(frozen=True)
class StoreLimits:
    """Bounds of one store; a commit that waits for a standby is waited for beyond them."""

    connect_timeout_ms: int = 5_000
    # The compressor at work has stalled a batch for 5 s: less would turn maintenance into failures.
    write_timeout_ms: int = 30_000
    # Writing waits for it, and can do without.
    restore_timeout_ms: int = 3_000
    # Beyond a deadline or a time-out, for the server to confirm that it stopped the command.
    cancel_grace_ms: int = 300


@contextmanager
def time_limit(connection: TrioConnection, deadline: float, limit_ms: float) -> Iterator[None]:
    """Stop the block's command at the deadline, which ends `limit_ms`. Raises psycopg.OperationalError."""
    with trio.move_on_at(deadline) as scope:
        yield
    if scope.cancelled_caught:
        # A server that let itself be cancelled is there: the statement took too long.
        kind = psycopg.OperationalError if connection.closed else psycopg.errors.QueryCanceled
        raise kind(f"no answer within {limit_ms} ms")
