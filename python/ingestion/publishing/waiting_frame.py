"""A frame from its acceptance until its outcome is known, and the session that waits for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.publishing.parked import Parked
from telemetry._codec import Confirmation

if TYPE_CHECKING:
    from ingestion.errors import RedisUnavailableError
    from telemetry._codec import AcceptedFrame


class WaitingFrame(Parked):
    """One frame that was accepted. If the session that waits is cancelled, the frame stays on its way."""

    __slots__ = ("_outcome", "accepted_s", "commands_bytes", "frame")

    def __init__(self, frame: AcceptedFrame, commands_bytes: int, accepted_s: float) -> None:
        super().__init__()
        self.frame = frame
        self.commands_bytes = commands_bytes
        self.accepted_s = accepted_s
        """Of Trio's clock."""
        self._outcome: Confirmation | RedisUnavailableError | None = None

    async def outcome(self) -> Confirmation:
        """Wait for it. Raises RedisUnavailableError if the frame was dropped."""
        await self.park()
        outcome = self._outcome
        if isinstance(outcome, Confirmation):
            return outcome
        assert outcome is not None
        raise outcome

    def settle(self, outcome: Confirmation | RedisUnavailableError) -> None:
        """The outcome is known: wake whoever waits."""
        self._outcome = outcome
        self.wake()
