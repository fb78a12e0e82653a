"""Requests and answers over a real Redis: carried out once, answered by everybody, whatever else is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from dev.servers.ports import HOST
from telemetry.chassis.control import responder
from telemetry.chassis.control.messages import (
    MESSAGE_BYTES_MAX,
    AnswerKind,
    Request,
    decode_answer,
    encode_request,
    new_id,
)
from telemetry.chassis.control.responder import AT_ONCE_MAX
from telemetry.chassis.control.tally import ANSWER_S
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.peers import answering, peer
from tests.telemetry.chassis.control.conftest import WAIT_S_MAX

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer
    from telemetry.chassis.control.messages import Answer
    from tests.telemetry.chassis.control.conftest import Control

# What is answered at once takes some milliseconds; a command that waits for nobody is far below ANSWER_S.
SOON_S = 1.0


def request(name: str = "echo", **arguments: Any) -> Request:
    return Request(new_id(), name, arguments, None)


async def next_answer(replies: Any) -> Answer:
    def get() -> Any:
        return replies.get_message(timeout=WAIT_S_MAX)

    message = await trio.to_thread.run_sync(get)
    answer = decode_answer(message["data"])
    assert not isinstance(answer, str)
    return answer


async def test_every_instance_answers_and_the_command_ends_with_the_last_answer(
    control: Control,
) -> None:
    async with control.answering("a", "b") as journals:
        for journal in journals:
            await journal.until("ready")
        began = trio.current_time()
        answers = await control.ask("echo", arguments={"n": 7})
        assert trio.current_time() - began < SOON_S
        assert [(each.instance_id, each.kind) for each in answers] == [
            ("a", AnswerKind.DONE),
            ("b", AnswerKind.DONE),
        ]
        assert [each.result for each in answers] == [{"echo": {"n": 7}}] * 2
        assert [journal.count("taken echo") for journal in journals] == [1, 1]


async def test_one_instance_may_be_asked_and_the_others_do_nothing(control: Control) -> None:
    async with control.answering("a", "b") as journals:
        for journal in journals:
            await journal.until("ready")
        began = trio.current_time()
        [answer] = await control.ask("echo", instance_id="b")
        assert (answer.instance_id, answer.kind) == ("b", AnswerKind.DONE)
        assert await control.ask("echo", instance_id="c") == []
        assert trio.current_time() - began < SOON_S
        assert [journal.count("taken") for journal in journals] == [0, 1]


async def test_nobody_there_takes_two_seconds(control: Control) -> None:
    began = trio.current_time()
    assert await control.ask("echo") == []
    assert ANSWER_S <= trio.current_time() - began < ANSWER_S + SOON_S


async def test_a_request_that_comes_again_is_carried_out_once_and_answered_again(
    control: Control,
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        asked = request(n=1)
        replies = control.replies_to(asked)
        for _ in range(3):
            await control.publish(encode_request(asked))
        kinds = [(await next_answer(replies)).kind for _ in range(4)]
        assert kinds.count(AnswerKind.ACCEPTED) + kinds.count(AnswerKind.DONE) == 4
        assert AnswerKind.DONE in kinds
        assert control.carried == [{"n": 1}]
        assert journal.count("taken") == 1
        replies.close()


async def test_what_it_remembers_of_requests_is_bounded(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "REMEMBERED_MAX", 2)
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        with control.heard():
            old = request(n=0)
            for each in (old, request(n=1), request(n=2), old):
                await control.publish(encode_request(each))
            await journal.until("taken", 4)


@pytest.mark.parametrize(
    ("name", "error", "reports"),
    [
        ("refuse", "not on a Sunday", []),
        ("fail", "a fault of the program, its log says more: 'k'", ["failed fail KeyError: 'k'"]),
    ],
)
async def test_a_request_that_is_not_carried_out_fails_and_the_service_goes_on(
    control: Control, name: str, error: str, reports: list[str]
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        [answer] = await control.ask(name)
        assert (answer.kind, answer.error) == (AnswerKind.FAILED, error)
        assert [each for each in journal.reports if each.startswith("failed")] == reports
        [answer] = await control.ask("echo")
        assert answer.kind is AnswerKind.DONE


async def test_a_request_that_it_does_not_know_fails_and_is_counted_as_unknown(
    control: Control,
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        [answer] = await control.ask("reboot")
        assert answer.kind is AnswerKind.FAILED
        assert "knows no request 'reboot'" in str(answer.error)
        assert journal.reports == ["ready", "taken unknown"]


async def test_garbage_and_long_messages_are_dropped_counted_and_answered_by_nobody(
    control: Control,
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        await control.publish(b"")
        await control.publish(b"\xff\x00\r\n")
        await control.publish(json.dumps({"id": "no"}).encode())
        await control.publish(b"x" * (MESSAGE_BYTES_MAX + 1))
        await control.publish(b"x" * 70 * 1024)
        await control.publish(b"x" * 20_000_000)
        [answer] = await control.ask("echo")
        assert answer.kind is AnswerKind.DONE
        assert [each for each in journal.reports if each != "ready"] == [
            *["dropped garbage"] * 3,
            *["dropped oversize"] * 3,
            "taken echo",
        ]


async def test_a_result_may_come_in_parts_which_all_come_before_its_end(control: Control) -> None:
    parts: list[Answer] = []
    async with control.answering("a", "b") as journals:
        for journal in journals:
            await journal.until("ready")
        answers = await control.ask("count", arguments={"parts": 20}, take_part=parts.append)
    assert [(each.kind, each.result) for each in answers] == 2 * [
        (AnswerKind.DONE, {"counted": 20})
    ]
    for name in ("a", "b"):
        numbers = [each.result["number"] for each in parts if each.instance_id == name]
        assert numbers == [*range(20)]


async def test_a_part_that_nobody_hears_is_lost_and_costs_no_connection(control: Control) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        await control.ask("count", arguments={"parts": 0})
        [caller] = control.callers
        for number in range(3):
            await caller.tell({"number": number})
        # Its own connection would have come back with another report.
        [answer] = await control.ask("echo")
        assert answer.kind is AnswerKind.DONE
        assert journal.count("ready") == 1


async def test_who_asks_again_is_known_to_be_there(control: Control) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        asked = request("count", parts=1)
        replies = control.replies_to(asked)
        await control.publish(encode_request(asked))
        kinds = [(await next_answer(replies)).kind for _ in range(3)]
        assert kinds.count(AnswerKind.PART) == 1
        [caller] = control.callers
        first_s = caller.asked_at_s
        await control.publish(encode_request(asked))
        assert (await next_answer(replies)).kind is AnswerKind.DONE
        assert caller.asked_at_s > first_s
        # Carried out once.
        assert len(control.callers) == 1
        replies.close()


async def test_a_result_may_take_longer_than_an_answer(control: Control) -> None:
    async with control.answering("a") as [journal], trio.open_nursery() as nursery:
        await journal.until("ready")
        answers: list[Answer] = []

        async def ask() -> None:
            answers.extend(await control.ask("wait"))

        began = trio.current_time()
        nursery.start_soon(ask)
        await journal.until("taken wait")
        await trio.sleep(ANSWER_S + 0.2 - (trio.current_time() - began))
        assert answers == []
        control.goes_on.set()
        with trio.fail_after(WAIT_S_MAX):
            while not answers:  # noqa: ASYNC110  # a thread ends
                await trio.sleep(0.01)
        assert answers[0].result == {"waited": True}
        assert len(control.carried) == 1


async def test_a_request_that_takes_too_long_fails(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "CARRY_S_MAX", 0.1)
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        [answer] = await control.ask("wait")
        assert answer.kind is AnswerKind.FAILED
        assert "was not done within" in str(answer.error)


async def test_so_many_at_once_are_carried_out_and_the_next_one_is_refused(
    control: Control,
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        with control.heard():
            for _ in range(AT_ONCE_MAX):
                await control.publish(encode_request(request("wait")))
            await journal.until("taken wait", AT_ONCE_MAX)
            [answer] = await control.ask("echo")
            assert answer.kind is AnswerKind.FAILED
            assert f"{AT_ONCE_MAX} other requests" in str(answer.error)
            control.goes_on.set()
            [answer] = await control.ask("echo")
            assert answer.kind is AnswerKind.DONE


async def test_a_connection_that_was_killed_comes_back_and_brings_the_result(
    control: Control,
) -> None:
    async with control.answering("a") as [journal], trio.open_nursery() as nursery:
        await journal.until("ready")
        answers: list[Answer] = []

        async def ask() -> None:
            answers.extend(await control.ask("wait"))

        nursery.start_soon(ask)
        await journal.until("taken wait")
        assert control.kill_connections() == 1
        await journal.until("lost")
        control.goes_on.set()
        await journal.until("ready", 2)
        with trio.fail_after(WAIT_S_MAX):
            while not answers:  # noqa: ASYNC110  # a thread ends
                await trio.sleep(0.01)
        assert answers[0].kind is AnswerKind.DONE
        assert len(control.carried) == 1


async def test_an_answer_that_nobody_hears_costs_a_new_connection_and_is_no_loss(
    control: Control,
) -> None:
    async with control.answering("a") as [journal]:
        await journal.until("ready")
        for times in (2, 3, 4):
            await control.publish(encode_request(request()))
            await journal.until("ready", times)
        [answer] = await control.ask("echo")
        assert answer.kind is AnswerKind.DONE
        assert journal.count("lost") == 0


async def test_an_instance_asks_its_peers_and_waits_for_no_answer(control: Control) -> None:
    async with control.answering("a", "b") as [asking, asked]:
        for journal in (asking, asked):
            await journal.until("ready")
        for times in (1, 2):
            await control.responders[0].notify("echo")
            await asked.until("taken echo", times)
        await control.ask("echo")
        # It does not carry out what it asks of others. An answer that nobody hears would have cost a connection.
        assert asking.reports == ["ready", "taken echo"]
        assert asked.reports == ["ready", *["taken echo"] * 3]


async def test_an_instance_without_a_connection_asks_nobody(control: Control) -> None:
    async with control.answering("a", url="redis://127.0.0.1:1") as [journal]:
        await control.responders[0].notify("echo")
        assert journal.reports == []


async def test_it_is_never_silent_for_long_and_a_server_that_is_frozen_is_noticed(
    control: Control, redis_server: RedisServer
) -> None:
    limits = RedisLimits(idle_ms_max=50, silence_ms=300)
    async with control.answering("a", limits=limits) as [journal]:
        await journal.until("ready")
        # PINGs and their answers keep it open for many times as long.
        await trio.sleep(0.8)
        assert journal.reports == ["ready"]
        control.client.execute_command("CLIENT", "PAUSE", 800, "ALL")  # type: ignore[no-untyped-call]
        await journal.until("lost")
        await journal.until("ready", 2)


class User:
    """A user of the server whose rights a test decides."""

    def __init__(self, client: Redis, name: str) -> None:
        self._client, self.name = client, name

    def may(self, *rules: str) -> None:
        self._client.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", self.name, "reset", "on", ">pw", *rules
        )


@pytest.mark.parametrize(
    "rules", [("+@all", "-subscribe", "&*"), ("+@all", "resetchannels")], ids=str
)
async def test_a_missing_right_is_reported_and_the_service_tries_until_it_has_it(
    control: Control, redis_server: RedisServer, rules: tuple[str, ...]
) -> None:
    user = User(control.client, control.channel.replace(":", "-"))
    user.may(*rules)
    url = f"redis://{user.name}:pw@{redis_server.host}:{redis_server.port}/0"
    async with control.answering("a", url=url) as [journal]:
        await journal.until("lost")
        assert "NOPERM" in journal.reports[0]
        user.may("+@all", f"&{control.channel}", f"&{control.channel}:*")
        await journal.until("ready")
        [answer] = await control.ask("echo")
        assert answer.kind is AnswerKind.DONE
    control.client.acl_deluser(user.name)


async def test_a_server_without_resp3_is_reported(control: Control) -> None:
    confirmed = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    talk = answering(b"-NOPROTO unsupported\r\n", b"+OK\r\n", b":7\r\n", confirmed)
    async with (
        peer(talk) as port,
        control.answering("a", url=f"redis://{HOST}:{port}/0") as [journal],
    ):
        await journal.until("lost")
        assert "NOPROTO" in journal.reports[0]


async def test_a_server_that_was_never_there_is_not_reported(control: Control) -> None:
    async with control.answering("a", url="redis://127.0.0.1:1/0") as [journal]:
        await trio.sleep(0.3)
        assert journal.reports == []
