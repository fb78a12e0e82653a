"""Ctrl-C in a command that changes something: what was asked for is answered before the command ends."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupts:
    """Holds an interrupt back while a request is under way, so that the command knows what it has done.

    A second one is not held back: the server may never answer. A context manager; KeyboardInterrupt is raised as
    everywhere, at the end of `held` at the latest. Where interrupts are ignored, as behind nohup, they stay ignored.
    """

    def __init__(self) -> None:
        self._holds = False
        self._came = False

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold an interrupt back until the end of the block."""
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
        if self._came:
            raise KeyboardInterrupt

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if not self._holds or self._came:
            raise KeyboardInterrupt
        self._came = True
