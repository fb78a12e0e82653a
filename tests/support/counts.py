"""Counts that a journal follows, as a test sets them."""

from __future__ import annotations

from dataclasses import dataclass

from processor.core.ledger import Ledger


@dataclass(frozen=True)
class InFlightOf:
    """Entries in flight, and what became of the others."""

    entries: int
    ledger: Ledger

    def __len__(self) -> int:
        return self.entries


@dataclass(frozen=True)
class DevicesOf:
    """Devices in memory, and evictions."""

    size: int
    evictions: int
