"""How long a command waits, by who has answered."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.control.messages import Answer, AnswerKind
from telemetry.chassis.control.tally import ANSWER_S, RESULT_S, Tally

ASKED_AT_S = 1_000.0
ID = "0" * 32
# Whoever asks keeps the parts of a result to itself.
kinds = st.sampled_from([each for each in AnswerKind if each is not AnswerKind.PART])


def answer(number: int, kind: AnswerKind = AnswerKind.DONE) -> Answer:
    return Answer(ID, f"{number:032x}", f"p-{number}", kind, {})


def tally(counted: int, *answers: Answer, is_count_whole: bool = True) -> Tally:
    made = Tally(ASKED_AT_S, is_count_whole=is_count_whole)
    made.published(counted)
    for each in answers:
        made.take(each)
    return made


def test_it_ends_when_as_many_have_answered_as_were_counted() -> None:
    assert tally(2, answer(1), answer(2)).waits_until_s == -math.inf


def test_it_waits_two_seconds_for_one_that_does_not_answer() -> None:
    assert tally(2, answer(1)).waits_until_s == ASKED_AT_S + ANSWER_S


def test_it_waits_two_seconds_where_nobody_was_counted() -> None:
    assert tally(0).waits_until_s == ASKED_AT_S + ANSWER_S
    assert tally(0, answer(1)).waits_until_s == ASKED_AT_S + ANSWER_S


def test_a_clusters_count_is_not_trusted() -> None:
    assert tally(1, answer(1), is_count_whole=False).waits_until_s == ASKED_AT_S + ANSWER_S


def test_it_waits_longer_for_a_result_that_was_promised() -> None:
    waiting = tally(2, answer(1), answer(2, AnswerKind.ACCEPTED))
    assert waiting.waits_until_s == ASKED_AT_S + RESULT_S
    waiting.take(answer(2, AnswerKind.FAILED))
    assert waiting.waits_until_s == -math.inf


def test_once_all_who_promised_have_answered_the_silent_one_is_not_waited_for_any_longer() -> None:
    waiting = tally(2, answer(1, AnswerKind.ACCEPTED))
    waiting.take(answer(1))
    assert waiting.waits_until_s == ASKED_AT_S + ANSWER_S


def test_an_instance_that_is_not_asked_counts_as_an_answer() -> None:
    assert tally(2, answer(1), answer(2, AnswerKind.PASSED)).waits_until_s == -math.inf


def test_two_lives_of_one_instance_are_two() -> None:
    twins = [Answer(ID, f"{n:032x}", "p-1", AnswerKind.DONE, {}) for n in (1, 2)]
    assert tally(2, *twins).answers == twins


@given(st.lists(st.tuples(st.integers(0, 3), kinds), max_size=12))
def test_the_first_final_answer_of_each_stays_whatever_comes_after(
    steps: list[tuple[int, AnswerKind]],
) -> None:
    made = tally(0, *(answer(number, kind) for number, kind in steps))
    firsts: dict[int, AnswerKind] = {}
    for number, kind in steps:
        if firsts.get(number, AnswerKind.ACCEPTED) is AnswerKind.ACCEPTED:
            firsts[number] = kind
    assert [each.kind for each in made.answers] == [firsts[number] for number in sorted(firsts)]
