"""Counts the checkpoints, the places where a life can be cut, and strikes at one of them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Life(Protocol):
    """One life of a service, from the start of its process to its end."""

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""

    def stop(self) -> None:
        """Send SIGTERM."""

    def kill(self, *, arrives: bool) -> None:
        """End it as `kill -9` does. With `arrives`, what is under way still takes effect."""


current_life: ContextVar[Any] = ContextVar("current_life", default=None)
"""The life that a task belongs to."""


class Checkpoints(trio.abc.Instrument):
    """The checkpoints of one life: each step of its tasks, and each of its calls, before and behind the effect."""

    def __init__(self) -> None:
        self.passed = 0
        self.fault: BaseException | None = None
        self._life: Life | None = None
        self._at: int | None = None
        self._strike: Callable[[Any], None] | None = None

    def watch(self, life: Life) -> None:
        """From now on count the checkpoints of this life instead of another one's."""
        self._life = life

    def strike_at(self, checkpoint: int, strike: Callable[[Any], None]) -> None:
        """Call `strike` at the checkpoint of this number, from 1; it must not wait."""
        self._at, self._strike = checkpoint, strike

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio is about to run a task up to where it waits next."""
        is_its = task.context.get(current_life) is self._life
        if is_its and self._life is not None:
            self.reach(self._life)

    def reach(self, life: Life) -> None:
        """A checkpoint of this life."""
        if life is not self._life or life.has_ended:
            return
        self.passed += 1
        if self.passed == self._at and self._strike is not None:
            try:
                self._strike(life)
            except Exception as error:  # noqa: BLE001  # Trio would drop the instrument, and go on
                self.fault = error
