"""What Redis is asked beside the frames: whether it still refuses them, and whether it is there at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from ingestion.publishing.probe import probe_commands, refusal_in
from telemetry._codec import Confirmation, PublishRefusal
from telemetry.chassis.redis.errors import points_elsewhere
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from ingestion.publishing.readiness import StreamReadiness

# Of the questions that are asked at once, whose replies may be shorter than those to frames.
OTHER_REPLIES_MAX: Final = 2
PING: Final = encode("PING")

Answer: TypeAlias = Confirmation | PublishRefusal | bytes
Question: TypeAlias = tuple[bytes, Callable[[Answer], None]]
"""A command with one reply, and who gets that."""


class Questions:
    """The questions of one exchange, and what their answers mean. `refused` is called with a refusal of entries."""

    def __init__(
        self, stream: str, readiness: StreamReadiness, refused: Callable[[str], None]
    ) -> None:
        self._readiness = readiness
        self._refused = refused
        self._next: list[Question] = []
        add, look = probe_commands(stream)
        self._probe: list[Question] = [(add, self._tried_to_add), (look, self._looked)]
        self._not_added_because: str | None = None

    def ask_for_entries(self) -> None:
        """Whether an entry would be taken."""
        self._next = self._probe

    def ask_for_life(self) -> None:
        """Anything at all."""
        self._next = [(PING, self._ponged)]

    def take(self) -> list[Question]:
        """What is to be asked now."""
        taken, self._next = self._next, []
        return taken

    def _ponged(self, answer: Answer) -> None:
        # Any other refusal is an answer as well: the user may not be allowed to PING.
        if (error := _error_of(answer)) is not None and points_elsewhere(error):
            self._refused(error)

    def _tried_to_add(self, answer: Answer) -> None:
        self._not_added_because = _error_of(answer)

    def _looked(self, answer: Answer) -> None:
        if (refusal := refusal_in(self._not_added_because, _error_of(answer))) is None:
            self._readiness.found()
        else:
            self._refused(refusal)


def _error_of(answer: Answer) -> str | None:
    return answer.message if isinstance(answer, PublishRefusal) else None
