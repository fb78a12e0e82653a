"""A row of numbers as a row of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last `width` values, scaled to the largest of them; a space for None, the lowest block for 0."""
    shown = values[-width:] if width > 0 else []
    most = max((value for value in shown if value is not None), default=0)
    return "".join(_block(value, most) for value in shown).rjust(max(width, 0))


def _block(value: float | None, most: float) -> str:
    if value is None:
        return " "
    if most <= 0 or value <= 0:
        return BLOCKS[0]
    # Whatever is not nothing is seen to be something.
    return BLOCKS[max(1, round(value / most * (len(BLOCKS) - 1)))]
