"""Which dead letters a command is about: by what they say, or by their ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from processor.operating.dead_letters.letters import Letter

_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """What a letter must say. Without any filter every letter fits; of several values of one, any fits."""

    codes: frozenset[bytes] = frozenset()
    stages: frozenset[bytes] = frozenset()
    devices: frozenset[bytes] = frozenset()
    """Of the original entry's field, not of the Position in its payload."""
    since_ms: int | None = None
    """Unix time, like `until_ms`; both are included. A letter without a readable `dlq_dead_at` fits neither."""
    until_ms: int | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any."""
        return self != Filters()

    def fit(self, letter: Letter) -> bool:
        """Whether the letter is one of those that are asked for. A field that is missing counts as empty."""
        return (
            (not self.codes or letter.said.get("code", b"") in self.codes)
            and (not self.stages or letter.said.get("stage", b"") in self.stages)
            and (not self.devices or (letter.field(b"device_id") or b"") in self.devices)
            and self._fits_in_time(letter)
        )

    def _fits_in_time(self, letter: Letter) -> bool:
        if self.since_ms is None and self.until_ms is None:
            return True
        dead_at_ms = letter.dead_at_ms
        return (
            dead_at_ms is not None
            and (self.since_ms is None or self.since_ms <= dead_at_ms)
            and (self.until_ms is None or dead_at_ms <= self.until_ms)
        )


def letter_id(text: str) -> str | None:
    """The id of an entry as Redis writes it; None for any other text."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    milliseconds, number = int(found[1]), int(found[2])
    return f"{milliseconds}-{number}" if max(milliseconds, number) < 2**64 else None
