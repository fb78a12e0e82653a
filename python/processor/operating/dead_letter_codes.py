"""How many dead letters there are of each code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from processor.edges.redis.scripts import COUNT_CODES
from processor.operating.names import shown

if TYPE_CHECKING:
    from processor.operating.access import StreamAccess

# A screen is no place for more: a letter has up to 64 KB, and Redis copies each to look at it.
LETTERS_MAX: Final = 20_000
STEP_LETTERS: Final = 200


def count_codes(access: StreamAccess) -> dict[str, int]:
    """The codes of the newest LETTERS_MAX letters, the most frequent first. Raises what the client raises."""
    counts: Counter[str] = Counter()
    before_id, seen = "+", 0
    while seen < LETTERS_MAX:
        found, last_id, *pairs = access.run(
            COUNT_CODES, (access.names.dead_letters,), before_id, STEP_LETTERS
        )
        for code, number in zip(pairs[::2], pairs[1::2], strict=True):
            counts[shown(code)] += number
        if found < STEP_LETTERS:
            break
        seen += found
        before_id = f"({last_id.decode()}"
    return dict(counts.most_common())
