"""Which server is tried as the master after which answers, and what answers say."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.chassis.redis.electing import Address, address_in, next_candidate, role_in

OLD, NEW, ODD = ("old", 6379), ("new", 6379), ("odd", 6379)


@pytest.mark.parametrize(
    ("named", "refuted", "unheard", "candidate"),
    [
        # Of three sentinels.
        ([], [], 3, None),
        ([NEW], [], 2, None),
        ([NEW, NEW], [], 1, NEW),
        ([OLD, NEW], [], 1, None),
        # One was away during the failover, and still names the old master.
        ([OLD, NEW, NEW], [], 0, NEW),
        # The others have not heard of the failover yet.
        ([OLD, OLD], [OLD], 1, None),
        ([OLD, OLD, NEW], [OLD], 0, NEW),
        # Two are gone.
        ([NEW], [], 0, NEW),
        ([NEW], [NEW], 0, None),
        # Each names another.
        ([OLD, NEW, ODD], [], 0, OLD),
        ([OLD, NEW, ODD], [OLD, NEW], 0, ODD),
        ([], [], 0, None),
    ],
)
def test_what_most_sentinels_name_is_tried_at_once_and_the_rest_when_all_were_heard(
    named: list[Address], refuted: list[Address], unheard: int, candidate: Address | None
) -> None:
    assert next_candidate(named, refuted, sentinels=3, unheard=unheard) == candidate


def test_the_only_sentinel_is_believed() -> None:
    assert next_candidate([NEW], [], sentinels=1, unheard=0) == NEW


@pytest.mark.parametrize(
    ("reply", "address"),
    [
        ([b"10.0.0.5", b"6380"], ("10.0.0.5", 6380)),
        ([b"db.example", b"1"], ("db.example", 1)),
        (None, None),
    ],
)
def test_an_answer_is_an_address_or_says_that_the_service_is_unknown(
    reply: Any, address: Address | None
) -> None:
    assert address_in(reply) == address


@pytest.mark.parametrize(
    "reply",
    [b"10.0.0.5", 7, [], [b"h"], [b"h", 6379], [b"", b"1"], [b"h", b"0"], [b"h", b"70000"]],
)
def test_another_answer_is_no_sentinels(reply: Any) -> None:
    with pytest.raises(TypeError, match="expected"):
        address_in(reply)


def test_a_role_is_the_first_of_what_role_answers() -> None:
    assert role_in([b"master", 0, []]) == "master"
    assert role_in([b"slave", b"h", 6379, b"connected", 0]) == "slave"
    others: list[Any] = [b"master", [], [7], None]
    for reply in others:
        with pytest.raises(TypeError, match="expected"):
            role_in(reply)
