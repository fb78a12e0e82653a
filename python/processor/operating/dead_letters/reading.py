"""Reads the dead-letter stream in steps, so that neither Redis nor the command holds much of it at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from processor.operating.dead_letters.letters import Letter, parse_letter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processor.operating.access import StreamAccess
    from processor.operating.dead_letters.choosing import Filters

# A step doubles while it brings less than the first, and is halved when it brings more than the second.
_STEP_LETTERS_FIRST: Final = 20
_STEP_LETTERS_MAX: Final = 500
_STEP_BYTES_MIN: Final = 500_000
_STEP_BYTES_MAX: Final = 2_000_000
# A code may be any text, of which a stream may have as many as it has letters.
_CODES_MAX: Final = 100

# As bytes, the name of a command finds no parser in the client, which would lose fields whose names repeat.
_XRANGE, _XREVRANGE = b"XRANGE", b"XREVRANGE"


def read_letter(access: StreamAccess, letter_id: str) -> Letter | None:
    """One dead letter; None if no letter has this id."""
    found = _read(access, _XRANGE, letter_id, letter_id, count=1)
    return found[0] if found else None


class DeadLetters:
    """The letters that fit the filters, among those that are there when it is made: none that dies later."""

    def __init__(
        self, access: StreamAccess, filters: Filters, *, newest_first: bool = False
    ) -> None:
        self._access = access
        self._filters = filters
        self._newest_first = newest_first
        newest = _read(access, _XREVRANGE, "+", "-", count=1)
        self._newest_id = newest[0].letter_id if newest else None
        self.total: Final = int(access.client.xlen(access.names.dead_letters))
        """All letters, whether they fit or not."""
        self.seen = 0
        """Letters that were looked at so far."""
        self.codes: Counter[str] = Counter()
        """The codes of those letters, and how often each is there; not more than a hundred."""

    def __iter__(self) -> Iterator[Letter]:
        for step in self._steps():
            for letter in step:
                self.seen += 1
                code = letter.text("code")
                if code in self.codes or len(self.codes) < _CODES_MAX:
                    self.codes[code] += 1
                if self._filters.fit(letter):
                    yield letter

    def _steps(self) -> Iterator[list[Letter]]:
        if self._newest_id is None:
            return
        command = _XREVRANGE if self._newest_first else _XRANGE
        start, end = (self._newest_id, "-") if self._newest_first else ("-", self._newest_id)
        count = _STEP_LETTERS_FIRST
        while step := _read(self._access, command, start, end, count=count):
            yield step
            start = f"({step[-1].letter_id}"
            size_bytes = sum(map(_bytes_of, step))
            if size_bytes < _STEP_BYTES_MIN:
                count = min(count * 2, _STEP_LETTERS_MAX)
            elif size_bytes > _STEP_BYTES_MAX:
                count = max(count // 2, 1)


def in_batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """The ids in their order, `size` at a time."""
    batch: list[str] = []
    for each in ids:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(
    access: StreamAccess, command: bytes, start: str, end: str, *, count: int
) -> list[Letter]:
    reply: Sequence[Any] = access.client.execute_command(  # type: ignore[no-untyped-call]
        command, access.names.dead_letters, start, end, "COUNT", count
    )
    return [parse_letter(letter_id, flat) for letter_id, flat in reply]


def _bytes_of(letter: Letter) -> int:
    return sum(len(name) + len(value) for name, value in letter.fields)
