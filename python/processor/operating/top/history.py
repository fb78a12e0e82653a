"""What `top` remembers: the last sample, and the rates of the last minutes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from processor.operating.top.rates import rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.operating.top.rates import Rates
    from processor.operating.top.sample import Sample

# At one a second more than the widest screen shows.
RATES_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class View:
    """What is to be drawn."""

    sample: Sample
    rates: Sequence[Rates]
    """The oldest first; none before the second sample."""
    lags: Sequence[int | None]
    """The same."""
    error: str | None
    """Why there is no newer sample."""


class History:
    """Takes samples in one thread, and shows them in another."""

    def __init__(self, first: Sample) -> None:
        self._lock = threading.Lock()
        self._view = View(first, (), (first.queue.lag,), None)
        self._rates: deque[Rates] = deque(maxlen=RATES_MAX)
        self._lags: deque[int | None] = deque([first.queue.lag], maxlen=RATES_MAX)

    @property
    def view(self) -> View:
        """Of this moment; it does not change."""
        with self._lock:
            return self._view

    def take(self, sample: Sample) -> None:
        """A look has succeeded."""
        with self._lock:
            self._rates.append(rates(self._view.sample, sample))
            self._lags.append(sample.queue.lag)
            self._view = View(sample, tuple(self._rates), tuple(self._lags), None)

    def fail(self, error: str) -> None:
        """A look has failed; what was seen before stays."""
        with self._lock:
            self._view = replace(self._view, error=error)
