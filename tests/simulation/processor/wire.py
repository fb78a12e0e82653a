"""The wire between one life and the simulation: it carries every call of the life's edges, until it is cut."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Edge = TypeVar("Edge")

# Closing a connection needs no answer, and never raises.
UNHEARD = "aclose"


class Killed(BaseException):
    """Raised in every call of a dead life: it passes every handler, as the end of a process does."""


class Wire:
    """The calls of one life.

    `checkpoint` is called twice for each call: before it is sent, and when it took effect and its
    answer is on the way. `heard` is given every answer that arrives.
    """

    def __init__(
        self,
        checkpoint: Callable[[], None],
        heard: Callable[[str, tuple[Any, ...], Any], None],
    ) -> None:
        self.is_cut = False
        self._checkpoint = checkpoint
        self._heard = heard
        self._sent: set[trio.CancelScope] = set()

    def cut(self, *, arrives: bool) -> None:
        """No further call is sent. Calls that are under way arrive or not, as the cut says."""
        self.is_cut = True
        for scope in self._sent:
            scope.shield = arrives

    def attach(self, edge: Edge, delay: Callable[[], float] | None = None) -> Edge:
        """The edge, with all its calls made over this wire; `delay` gives their duration in seconds."""
        return cast("Edge", _Attached(edge, self, delay))

    async def call(
        self,
        name: str,
        method: Callable[..., Awaitable[Any]],
        delay: Callable[[], float] | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Make one call."""
        self._pass()
        with trio.CancelScope() as sent:
            self._sent.add(sent)
            try:
                if delay is not None and (seconds := delay()):
                    await trio.sleep(seconds)
                answer = await method(*args, **kwargs)
            except Exception:
                if self.is_cut:
                    raise Killed from None
                raise
            finally:
                self._sent.discard(sent)
        self._pass()
        self._heard(name, args, answer)
        return answer

    def _pass(self) -> None:
        if not self.is_cut:
            self._checkpoint()
        if self.is_cut:
            raise Killed


class _Attached:
    def __init__(self, edge: object, wire: Wire, delay: Callable[[], float] | None) -> None:
        self._edge = edge
        self._wire = wire
        self._delay = delay

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._edge, name)
        if name == UNHEARD or not inspect.iscoroutinefunction(member):
            return member
        call = partial(self._wire.call, name, member, self._delay)
        setattr(self, name, call)
        return call
