"""Stop requests: the first signal asks the process to end, perhaps after a delay; the next ones not to wait."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import trio


class StopRequest:
    """The first signal announces the stop, and requests it when the delay is over; a signal ends the delay.

    Once it is requested, another signal insists on it. `on_request` is called when it is requested.
    """

    def __init__(self, *, on_request: Callable[[], None] | None = None, delay_ms: int = 0) -> None:
        self.announced = trio.Event()
        self.requested = trio.Event()
        self.insisted = trio.Event()
        self.signal_name: str | None = None
        self._on_request = on_request
        self._delay_s = delay_ms / 1000

    def receive(self, signal_name: str) -> None:
        """Take note of a signal."""
        if self.requested.is_set():
            self.insisted.set()
            return
        is_first = not self.announced.is_set()
        if is_first:
            self.signal_name = signal_name
            self.announced.set()
        if not is_first or not self._delay_s:
            self._request()

    async def listen(self, signals: AsyncIterator[int]) -> NoReturn:
        """Receive signals until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._delay_s:
                nursery.start_soon(self._request_in_time)
            async for number in signals:
                self.receive(signal.Signals(number).name)
            nursery.cancel_scope.cancel()
        raise AssertionError("a signal receiver does not end")

    async def _request_in_time(self) -> None:
        await self.announced.wait()
        with trio.move_on_after(self._delay_s):
            await self.requested.wait()
        if not self.requested.is_set():
            self._request()

    def _request(self) -> None:
        self.requested.set()
        if self._on_request is not None:
            self._on_request()


async def cancel_on(event: trio.Event, scope: trio.CancelScope) -> None:
    """Cancel `scope` when `event` is set."""
    await event.wait()
    scope.cancel()
