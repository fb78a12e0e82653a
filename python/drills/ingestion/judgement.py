"""Judge: what in the whole drill breaks the promise. Pure: observations in, violations out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping

    from drills.observed import PositionKey


@dataclass(frozen=True, slots=True)
class FinalState:
    """What devices and stream hold when the drill is over."""

    devices: int
    sent: int
    """Records that devices sent."""
    answered: int
    """Records whose frame was answered."""
    published: int
    """Entries of the stream."""
    distinct: int
    """Records in the stream, each counted once."""
    lost: tuple[PositionKey, ...]
    """Answered, and not in the stream."""
    foreign: tuple[PositionKey, ...]
    """In the stream, and sent by no device."""
    unheard: tuple[str, ...]
    """Devices without an answer from the last life."""
    quarantined: int
    """Frames, all of them sound, that the service could not decode."""
    simulator: Mapping[str, Any]
    """The simulator's own figures; empty if it did not end in time."""

    @property
    def repeated(self) -> int:
        """Entries beyond the first of a record: sent again since nothing was answered."""
        return self.published - self.distinct


def compare(
    sent: set[PositionKey],
    answered: Iterable[PositionKey],
    published: Counter[PositionKey],
    **others: Any,  # noqa: ANN401  # the fields that are not compared
) -> FinalState:
    """What devices say beside what the stream holds."""
    listed = list(answered)
    return FinalState(
        sent=len(sent),
        answered=len(listed),
        published=published.total(),
        distinct=len(published),
        lost=tuple(sorted(set(listed) - published.keys())),
        foreign=tuple(sorted(published.keys() - sent)),
        **others,
    )


def judge_ending(ending: FinalState) -> list[str]:
    """What is wrong in the end, a sentence for each violation."""
    found = []
    if ending.lost:
        found.append(
            f"{len(ending.lost)} records were answered and are not in the stream, the first is {_named(ending.lost[0])}"
        )
    if ending.foreign:
        found.append(
            f"{len(ending.foreign)} records are in the stream and no device sent them, the first is"
            f" {_named(ending.foreign[0])}"
        )
    if ending.unheard:
        found.append(
            f"{len(ending.unheard)} devices got no answer from the last life, the first is {ending.unheard[0]}"
        )
    if ending.quarantined:
        found.append(f"{ending.quarantined} sound frames went into quarantine")
    if not ending.answered:
        found.append("nothing was answered: the drill shows nothing")
    if not ending.simulator:
        found.append("the devices did not end")
    for name, what in (
        ("wrong_answers", "answers had a wrong number, or nobody waited for them"),
        ("frames_unanswered", "frames were left without an answer"),
        ("refused", "logins were refused"),
    ):
        if count := ending.simulator.get(name):
            found.append(f"{count} {what}")
    return found


def _named(key: PositionKey) -> str:
    return f"{key.device_id} at {key.ts}"
