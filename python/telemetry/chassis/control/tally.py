"""Who has answered one request, and until when it is worth waiting; pure, without a clock of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Answer

ANSWER_S: Final = 2.0
"""How long an instance may take to say that it has the request."""
RESULT_S: Final = 30.0
"""How long a result may take that needs another server."""


class Tally:
    """The answers to one request.

    It is complete when as many instances have given their final answer as Redis counted subscribers. Where that number
    cannot be trusted, because Redis counted nobody or counts the subscribers of one node of a cluster, or where
    somebody does not answer, ANSWER_S decide who takes part; these are then waited for.
    """

    def __init__(self, asked_at_s: float, *, is_count_whole: bool) -> None:
        """`asked_at_s`: of the clock of `waits_until_s`. `is_count_whole`: Redis counts every subscriber."""
        self._asked_at_s = asked_at_s
        self._is_count_whole = is_count_whole
        self._counted = 0
        self._answers: dict[str, Answer] = {}

    def published(self, receivers: int) -> None:
        """Redis has counted the subscribers, this time."""
        self._counted = receivers

    def take(self, answer: Answer) -> None:
        """An answer came; a final one is not replaced."""
        known = self._answers.get(answer.life)
        if known is None or not known.is_final:
            self._answers[answer.life] = answer

    @property
    def answers(self) -> list[Answer]:
        """The last answer of each instance, sorted by instance."""
        return sorted(self._answers.values(), key=lambda each: (each.instance_id, each.life))

    @property
    def waits_until_s(self) -> float:
        """When the waiting ends if nothing more comes; in the past if there is nothing to wait for."""
        if not all(each.is_final for each in self._answers.values()):
            return self._asked_at_s + RESULT_S
        if self._is_count_whole and 1 <= self._counted <= len(self._answers):
            return -math.inf
        return self._asked_at_s + ANSWER_S
