"""What is between one life and the simulation: every call of its edges goes this way, until it is cut."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Edge = TypeVar("Edge")

# Closing a connection asks the world nothing, and is promised never to raise.
UNHEARD = "aclose"


class Killed(BaseException):
    """What a call of a dead life ends in: past every handler, as the end of a process is."""


class Wire:
    """The calls of one life.

    `meet` is told of each call twice: before it is sent, and when it took effect and its answer is
    on the way; `heard` is given every answer that arrives.
    """

    def __init__(
        self,
        meet: Callable[[], None],
        heard: Callable[[str, tuple[Any, ...], Any], None],
    ) -> None:
        self.is_cut = False
        self._meet = meet
        self._heard = heard
        self._sent: set[trio.CancelScope] = set()

    def cut(self, *, arrives: bool) -> None:
        """No further call reaches the world; what has been sent arrives all the same, or not."""
        self.is_cut = True
        for scope in self._sent:
            scope.shield = arrives

    def attach(self, edge: Edge, delay: Callable[[], float] | None = None) -> Edge:
        """The edge, with all of its calls made over this wire; `delay` gives their duration in seconds."""
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
            self._meet()
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
