"""Stop requests: the first signal asks the process to end, the second one not to wait."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import trio


class StopRequest:
    """The first signal requests the stop, the second insists on it. `on_request` is called at the first one."""

    def __init__(self, *, on_request: Callable[[], None] | None = None) -> None:
        self.requested = trio.Event()
        self.insisted = trio.Event()
        self.signal_name: str | None = None
        self._on_request = on_request

    def receive(self, signal_name: str) -> None:
        """Take note of a signal."""
        if self.requested.is_set():
            self.insisted.set()
        else:
            self.signal_name = signal_name
            self.requested.set()
            if self._on_request is not None:
                self._on_request()

    async def listen(self, signals: AsyncIterator[int]) -> NoReturn:
        """Receive signals until cancelled."""
        async for number in signals:
            self.receive(signal.Signals(number).name)
        raise AssertionError("a signal receiver does not end")


async def cancel_on(event: trio.Event, scope: trio.CancelScope) -> None:
    """Cancel `scope` when `event` is set."""
    await event.wait()
    scope.cancel()
