"""What goes into a writer's next batch."""

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
    """Holds items in the order of arrival, and makes batches of them that stay within a number of rows."""

    def __init__(self, *, rows_max: int) -> None:
        if rows_max < 1:
            raise ValueError(f"no batch fits rows_max={rows_max}")
        self.rows_max = rows_max
        self._held: deque[Item] = deque()

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def add(self, item: Item) -> None:
        """Hold an item, of any number of rows, none included."""
        self._held.append(item)

    def flush(self, *, beside_rows: int = 0) -> list[Item]:
        """Take one batch, in the order of arrival: as many items as stay within the limit together.

        An item that exceeds the limit alone is split first. `beside_rows`, fewer than the limit, are
        in the batch already. Empty when nothing is held.
        """
        taken: list[Item] = []
        room = limit = self.rows_max - beside_rows
        self._split_first(limit)
        while self._held and self._held[0].rows <= room:
            item = self._held.popleft()
            room -= item.rows
            taken.append(item)
        return taken

    def _split_first(self, limit: int) -> None:
        while self._held and self._held[0].rows > limit:
            first, second = self._held.popleft().split()
            self._held.extendleft((second, first))
