"""The unanswered frames of one stream, in the order in which they were accepted."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Container

    from ingestion.publishing.waiting_frame import WaitingFrame


class FrameQueue:
    """First those that are on the connection, then those that were not sent yet. It outlives connections.

    A frame that was turned away belongs to the former until `put_back`, as others may follow it.
    """

    def __init__(self) -> None:
        self.dry = trio.Event()
        """No frame comes any more, and none is unanswered."""
        self._sent: deque[WaitingFrame] = deque()
        self._turned_away: list[WaitingFrame] = []
        self._unsent: deque[WaitingFrame] = deque()
        self._closed = False

    def put(self, frame: WaitingFrame) -> None:
        """Append a frame."""
        assert not self._closed
        self._unsent.append(frame)

    def close(self) -> None:
        """No frame comes any more."""
        self._closed = True
        self._look_whether_dry()

    def take(
        self, bytes_max: int, among: Container[WaitingFrame] | None = None
    ) -> list[WaitingFrame]:
        """The next frames to send, as many as fit; one that is larger than `bytes_max` goes alone.

        With `among` none but these, up to the first other one.
        """
        unsent, size = self._unsent, 0
        taken: list[WaitingFrame] = []
        while unsent and (not taken or size + unsent[0].commands_bytes <= bytes_max):
            if among is not None and unsent[0] not in among:
                break
            frame = unsent.popleft()
            size += frame.commands_bytes
            taken.append(frame)
        self._sent.extend(taken)
        return taken

    def answered(self, frame: WaitingFrame) -> None:
        """Redis has answered all of it, which it does in the order of sending."""
        oldest = self._sent.popleft()
        assert oldest is frame
        if self._closed:
            self._look_whether_dry()

    def turned_away(self, frame: WaitingFrame) -> None:
        """Answered as well, but to be sent again."""
        oldest = self._sent.popleft()
        assert oldest is frame
        self._turned_away.append(frame)

    def put_back(self) -> list[WaitingFrame]:
        """The frames that were turned away are the next ones to send, in their order."""
        turned_away, self._turned_away = self._turned_away, []
        self._unsent.extendleft(reversed(turned_away))
        return turned_away

    def drop_sent(self) -> list[WaitingFrame]:
        """Give up the frames that were on a connection."""
        dropped = list(self._sent)
        self._sent.clear()
        self._look_whether_dry()
        return dropped

    def drop_unsent(self, accepted_before_s: float) -> list[WaitingFrame]:
        """Give up the frames that were accepted before this time, and not sent."""
        dropped = []
        while self._unsent and self._unsent[0].accepted_s < accepted_before_s:
            dropped.append(self._unsent.popleft())
        self._look_whether_dry()
        return dropped

    def _look_whether_dry(self) -> None:
        if self._closed and not (self._sent or self._turned_away or self._unsent):
            self.dry.set()
