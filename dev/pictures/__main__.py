"""Takes the pictures of the papers, into `docs/pictures`; arguments name some of the sets, without them all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.pictures.page import take_page
from dev.pictures.top import take_top

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIRECTORY = Path(__file__).parents[2] / "docs" / "pictures"
SETS: dict[str, Callable[[Path], None]] = {
    "page": take_page,
    "top": take_top,
}
"""Each takes the pictures of one thing, and writes them into the directory."""


def main(names: Sequence[str]) -> int:
    """Take the sets of these names, or all; 2 for a name that there is not."""
    if unknown := set(names) - set(SETS):
        sys.stderr.write(f"no set {', '.join(sorted(unknown))}; there are {', '.join(SETS)}\n")
        return 2
    for name in names or SETS:
        SETS[name](DIRECTORY)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
