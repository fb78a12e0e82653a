"""Idle times of pending entries: what the release of an entry sets, and from when on one is stuck."""

from __future__ import annotations

from typing import Final

# Longer than any claim threshold. Redis ignores an idle time that reaches back before 1970.
RELEASED_IDLE_MS: Final = 86_400_000
"""A released entry is given this idle time: whoever looks for entries to claim takes it at once."""

STUCK_THRESHOLDS: Final = 3
"""An entry that was left alone for over so many claim thresholds is one that nobody claims."""


def left_for_ms(idle_ms: int) -> int:
    """How long an entry has been left alone, since its release if that was the last thing that happened to it."""
    return idle_ms - RELEASED_IDLE_MS if idle_ms >= RELEASED_IDLE_MS else idle_ms


def stuck_after_ms(claim_threshold_ms: int) -> int:
    """An entry that was left alone for longer is stuck."""
    return STUCK_THRESHOLDS * claim_threshold_ms
