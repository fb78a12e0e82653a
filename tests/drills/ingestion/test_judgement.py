from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from drills.ingestion.judgement import FinalState, compare, judge_ending
from drills.observed import PositionKey

KEYS = [PositionKey("009980000000012", f"2026-05-01T09:30:0{n}.000Z") for n in range(6)]
FIGURES = {"wrong_answers": 0, "frames_unanswered": 0, "refused": 0}


def ending(
    sent: list[PositionKey],
    answered: list[PositionKey],
    published: list[PositionKey],
    **others: Any,
) -> FinalState:
    rest = {"devices": 1, "unheard": (), "quarantined": 0, "simulator": FIGURES, **others}
    return compare(set(sent), answered, Counter(published), **rest)


def test_what_was_not_answered_may_be_in_the_stream_or_not_and_more_than_once() -> None:
    found = ending(KEYS, KEYS[:2], [*KEYS[:4], *KEYS[2:4]])
    assert judge_ending(found) == []
    assert (found.sent, found.answered, found.published, found.distinct) == (6, 2, 6, 4)
    assert found.repeated == 2


@pytest.mark.parametrize(
    ("found", "violation"),
    [
        (ending(KEYS, KEYS[:3], KEYS[:2]), "1 records were answered and are not in the stream"),
        (ending(KEYS[:2], KEYS[:2], KEYS[:3]), "1 records are in the stream and no device sent"),
        (ending(KEYS, [], KEYS), "nothing was answered"),
        (ending(KEYS, KEYS, KEYS, unheard=("009980000000012",)), "1 devices got no answer"),
        (ending(KEYS, KEYS, KEYS, quarantined=2), "2 sound frames went into quarantine"),
        (ending(KEYS, KEYS, KEYS, simulator={}), "the devices did not end"),
        *(
            (ending(KEYS, KEYS, KEYS, simulator={**FIGURES, name: 3}), text)
            for name, text in (
                ("wrong_answers", "3 answers had a wrong number"),
                ("frames_unanswered", "3 frames were left without an answer"),
                ("refused", "3 logins were refused"),
            )
        ),
    ],
)
def test_each_violation_is_a_sentence(found: FinalState, violation: str) -> None:
    [said] = judge_ending(found)
    assert said.startswith(violation)
