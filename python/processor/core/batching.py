"""When a free writer's batch is ready, and what goes into it."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, Self, TypeVar


class Splittable(Protocol):
    """Some rows that can be halved; the codec's `Batch` is one."""

    @property
    def rows(self) -> int:
        """How many rows COPY would write."""

    def split(self) -> tuple[Self, Self]:
        """Two smaller ones, together the same; asked for from two rows on."""


Item = TypeVar("Item", bound=Splittable)


class Batching(Generic[Item]):
    """Gathers items until they are due for writing, by the number of rows or by age.

    The caller adds what is there, asks `due_at` how long it may wait for more, and takes one batch with
    `flush`. Times are seconds of any clock that does not run backwards.
    """

    def __init__(self, *, rows_max: int, linger_s: float) -> None:
        if rows_max < 1 or linger_s < 0:
            raise ValueError(f"no batch fits rows_max={rows_max} linger_s={linger_s}")
        self.rows_max = rows_max
        self._linger_s = linger_s
        self._held: deque[tuple[float, Item]] = deque()
        self._rows = 0

    @property
    def rows(self) -> int:
        """Rows held; what one item repeats of another counts twice."""
        return self._rows

    @property
    def full(self) -> bool:
        """Whether a batch is due by its rows: adding more would only make the next one."""
        return self._rows >= self.rows_max

    def add(self, item: Item, now: float) -> None:
        """Hold an item, of any number of rows, none included."""
        self._held.append((now, item))
        self._rows += item.rows

    def due_at(self) -> float | None:
        """When to flush: a time that may have passed already, or None while nothing is held."""
        if not self._held:
            return None
        oldest, _ = self._held[0]
        return oldest if self.full else oldest + self._linger_s

    def flush(self, *, beside_rows: int = 0) -> list[Item]:
        """Take one batch, in the order of arrival: as many items as stay within the limit together.

        An item that exceeds the limit alone is split first. `beside_rows`, fewer than the limit, are
        in the batch already. Empty when nothing is held.
        """
        taken: list[Item] = []
        room = limit = self.rows_max - beside_rows
        self._split_first(limit)
        while self._held and self._held[0][1].rows <= room:
            _, item = self._held.popleft()
            room -= item.rows
            taken.append(item)
        self._rows -= limit - room
        return taken

    def _split_first(self, limit: int) -> None:
        while self._held and self._held[0][1].rows > limit:
            added_at, item = self._held.popleft()
            first, second = item.split()
            self._rows += first.rows + second.rows - item.rows
            self._held.extendleft(((added_at, second), (added_at, first)))
