"""The blocking client in a cluster: for how long it follows nodes that do not agree, by a clock that the test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from telemetry.chassis.redis.cluster import client as client_module
from telemetry.chassis.redis.cluster.client import AGAIN_S, PATIENCE_S, FollowingClient

if TYPE_CHECKING:
    from collections.abc import Callable

# Far more than the client's patience.
BOUND_S = 60.0
MOVED = "13907 127.0.0.1:1"


class PlayedTime:
    """Stands for the module `time`: pauses take no time, and nothing lasts for ever."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        assert self.now_s < BOUND_S, "it is never given up"


@pytest.fixture
def played_time(monkeypatch: pytest.MonkeyPatch) -> PlayedTime:
    played = PlayedTime()
    monkeypatch.setattr(client_module, "time", played)
    return played


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], None]:
    """Has the package's client give these answers, errors among them; the last one is repeated."""

    def give(answers: list[Any]) -> None:
        left = list(answers)

        def execute_command(*_: object, **__: object) -> object:
            reply = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(reply, Exception):
                raise reply
            return reply

        monkeypatch.setattr(redis.Redis, "execute_command", execute_command)

    return give


@pytest.mark.parametrize(
    "refusal",
    [MovedError(MOVED), TryAgainError("rehashing"), ClusterDownError("The cluster is down")],
    ids=lambda error: type(error).__name__,
)
def test_what_the_nodes_do_not_agree_about_is_given_up_in_time(
    played_time: PlayedTime, answer: Callable[[list[Any]], None], refusal: redis.ResponseError
) -> None:
    answer([refusal])
    with FollowingClient() as client, pytest.raises(type(refusal)):
        client.xlen("telemetry:{0}")
    assert PATIENCE_S <= played_time.now_s <= PATIENCE_S + 2 * AGAIN_S


@pytest.mark.parametrize("refusal", [MovedError(MOVED), TryAgainError("rehashing")])
def test_a_slot_that_neither_end_takes_is_given_up_in_time(
    played_time: PlayedTime,
    answer: Callable[[list[Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    refusal: redis.ResponseError,
) -> None:
    def refuse(*_: object) -> None:
        raise refusal

    answer([AskError(MOVED)])
    monkeypatch.setattr(FollowingClient, "_asked", refuse)
    with FollowingClient() as client, pytest.raises(type(refusal)):
        client.xlen("telemetry:{0}")
    assert PATIENCE_S <= played_time.now_s <= PATIENCE_S + 2 * AGAIN_S


def test_a_slot_that_has_moved_is_followed_at_once(
    played_time: PlayedTime, answer: Callable[[list[Any]], None]
) -> None:
    answer([MovedError(MOVED), 7])
    with FollowingClient() as client:
        assert client.xlen("telemetry:{0}") == 7
        assert client.connection_pool.connection_kwargs["port"] == 1
    assert played_time.now_s == 0
