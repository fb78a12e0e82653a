"""How many rows one write may have: halved when a write was too large, doubled again when writes go through."""

from __future__ import annotations

PATIENCE_MAX = 16
"""Writes at most that have to go through before a larger one is tried."""


class BatchSize:
    """The limit that a link, a time-out or a server sets, found by halving and doubling.

    It doubles with each write that goes through. If the larger write then fails, which may take a whole
    time-out, the next one is tried after twice as many writes: a link that can carry 5,000 rows is not
    asked for 10,000 every second time. Unlike with a `Portion`, a write may be much smaller than its
    limit, and then shows nothing about it.
    """

    def __init__(self, rows_max: int) -> None:
        self.rows_max = rows_max
        self.rows = rows_max
        """Rows in one write at most."""
        self._patience = 1
        self._went_through = 0
        self._is_trial = False

    def suspects(self, rows: int) -> bool:
        """Whether a write of this size may be too large, by what happened not long ago."""
        return self.rows < self.rows_max and self._is_near(rows)

    def too_large(self, rows: int) -> None:
        """A write of this size failed for its size, or for one of its rows."""
        self._patience = min(2 * self._patience, PATIENCE_MAX) if self._is_trial else 1
        self._is_trial = False
        self._went_through = 0
        self.rows = max(1, min(self.rows, rows) // 2)

    def went_through(self, rows: int) -> None:
        """A write of this size was committed; a much smaller one than the limit says nothing."""
        if not self._is_near(rows):
            return
        if self._is_trial:
            self._patience, self._is_trial = 1, False
        if self.rows == self.rows_max:
            return
        self._went_through += 1
        self._is_trial = self._went_through >= self._patience
        if self._is_trial:
            self._went_through = 0
            self.rows = min(2 * self.rows, self.rows_max)

    def _is_near(self, rows: int) -> bool:
        # Halves of halves are between half of the limit and the whole.
        return 2 * rows > self.rows
