"""How long each step of an end took."""

from __future__ import annotations

from telemetry.chassis import clocks


class LapTimer:
    """A stopwatch whose laps have names; it does not run before `begin`."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._began_at: float | None = None

    def begin(self) -> None:
        """The first step begins."""
        self._began_at = clocks.elapsing_s()

    def done(self, name: str) -> None:
        """A step is done, and the next one begins."""
        now = clocks.elapsing_s()
        if self._began_at is not None:
            self.ms[name] = round((now - self._began_at) * 1000, 3)
        self._began_at = now
