"""Lets through what would be said too often otherwise."""

from __future__ import annotations


class Seldom:
    """Lets a subject pass once in `interval_s`; there is a handful of subjects."""

    def __init__(self, interval_s: float = 60.0) -> None:
        self._interval_s = interval_s
        self._last: dict[str, float] = {}

    def is_due(self, subject: str, now_s: float) -> bool:
        """Whether to say it now, which is taken to happen. `now_s`: seconds of a clock that goes forward."""
        last = self._last.get(subject)
        if last is not None and now_s - last < self._interval_s:
            return False
        self._last[subject] = now_s
        return True
