"""Requests of operators to running instances, and how many of these did what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.messages import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.chassis.control.messages import Answer
    from telemetry.chassis.operating.access import Access


@dataclass(frozen=True, slots=True)
class Replies:
    """What the instances answered, each list sorted by their ids."""

    done: list[Answer]
    failed: list[Answer]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Self:
        """The final answers to a request."""
        return cls(
            [each for each in answers if each.kind is AnswerKind.DONE],
            [each for each in answers if each.kind is not AnswerKind.DONE],
        )

    @property
    def is_whole(self) -> bool:
        """Whether somebody answered, and nobody failed."""
        return bool(self.done) and not self.failed


def request(
    access: Access,
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    instance_id: str | None = None,
) -> Replies:
    """Ask all instances, or one, for one of the service's requests, by its name."""
    answers = ask(access.client, access.control_channel, name, arguments, instance_id=instance_id)
    return Replies.of(answers)
