"""How long a server is waited for before it is given up."""

from __future__ import annotations

from dataclasses import dataclass


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
