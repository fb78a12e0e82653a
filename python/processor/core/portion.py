"""How much to ask for at once: halved when it was too much, doubled again when it went well."""

from __future__ import annotations

PATIENCE_MAX = 64
"""Successes, at most, before a size that was too much just now is tried again."""


class Portion:
    """A size from 1 to `most`.

    A reply that is lost again and again may exceed a limit that we do not know: half is tried next,
    down to 1. Each success doubles the size. A size that fails as soon as it is reached takes twice as
    many successes each time. Otherwise every second try would fail for as long as the limit exists.
    """

    def __init__(self, most: int, *, first: int | None = None) -> None:
        """Begin with `first`, with `most` unless it is given."""
        if not 1 <= (most if first is None else first) <= most:
            raise ValueError(f"a portion lies between 1 and {most}, not {first}")
        self.most = most
        self.size = most if first is None else first
        self._patience = 1
        self._successes = 0
        self._was_doubled = False

    def too_much(self) -> None:
        """The size failed: try half of it next."""
        if self._was_doubled:
            self._patience = min(2 * self._patience, PATIENCE_MAX)
        self.size = max(1, self.size // 2)
        self._successes = 0
        self._was_doubled = False

    def went_well(self) -> None:
        """The size succeeded: try twice as much next, if it has succeeded often enough."""
        if self._was_doubled:
            # It is through where it failed before.
            self._patience = 1
        self._was_doubled = False
        self._successes += 1
        if self._successes >= self._patience and self.size < self.most:
            self.size = min(2 * self.size, self.most)
            self._successes = 0
            self._was_doubled = True
