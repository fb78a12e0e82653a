"""Which entries one life has read: needed when the group is created anew at 0, and delivers them again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

SPANS_MAX = 10_000
"""Beyond it neighbouring spans are joined: exact while nobody else reads the group."""


class SpansRead:
    """The spans of ids that reads of new entries gave.

    One read takes a whole stretch of the stream, and ids only grow: whatever lies within is ours.
    """

    def __init__(self) -> None:
        self._firsts: list[tuple[int, int]] = []
        self._lasts: list[tuple[int, int]] = []
        self.is_repeated = False

    def add(self, first_id: str, last_id: str) -> None:
        """One read gave these entries and all between them."""
        first, last = _key(first_id), _key(last_id)
        if self._lasts and first <= self._lasts[-1]:
            # Given again, at least in part.
            first = self._lasts[-1]
        if first <= last:
            self._firsts.append(first)
            self._lasts.append(last)
        if len(self._firsts) > SPANS_MAX:
            self._join_neighbours()

    def repeat(self) -> None:
        """The group begins anew: from now on reads may give what they gave before."""
        self.is_repeated = True

    def again(self, entry_ids: Iterable[str]) -> Iterator[str]:
        """Those of newly read ids that were read before."""
        return filter(self._was_read, entry_ids)

    def _join_neighbours(self) -> None:
        self._firsts = self._firsts[::2]
        self._lasts = [*self._lasts[1:-1:2], self._lasts[-1]]

    def _was_read(self, entry_id: str) -> bool:
        key = _key(entry_id)
        place = bisect_right(self._firsts, key) - 1
        return place >= 0 and key <= self._lasts[place]


def _key(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
