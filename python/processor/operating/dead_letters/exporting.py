"""Exports dead letters as JSON lines, to a file that is there when it is whole."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from processor.operating.dead_letters.letters import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.operating.dead_letters.letters import Letter


def line_of(letter: Letter) -> str:
    """One line of an export."""
    return json.dumps(whole(letter), separators=(",", ":")) + "\n"


@contextmanager
def whole_file(path: Path, *, overwrites: bool) -> Iterator[IO[str]]:
    """A file to write, which gets its name at the end of the block; if that raises, nothing is left.

    Only its owner may read it: positions are people's whereabouts. Raises FileExistsError if something of this name is
    there, also if it came meanwhile, and `overwrites` is false.
    """
    if path.exists() and not overwrites:
        raise FileExistsError(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrites:
            temporary.replace(path)
        else:
            _name(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _name(temporary: Path, path: Path) -> None:
    """Give a file its name, unless the name is taken."""
    try:
        # Unlike a rename, this fails then.
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. Between these two lines another file could come, and would be lost.
        if path.exists():
            raise FileExistsError(path) from None
        temporary.rename(path)
