"""Whatever ends a replay, each letter is in one of the two streams: kills, lost answers, peers, a full memory."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.servers import RedisServer, launch_redis
from tests.support.dead_letters import Queue, ended
from tests.support.processes import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from dev.servers import RedisBinary
    from tests.support.dead_letters import Typed

KILLS = 4
LETTERS = 2_000


def assert_each_is_in_one_place(queue: Queue, number: int) -> None:
    dead = [fields[b"device_id"] for fields in queue.dead_fields()]
    back = [fields[b"device_id"] for fields in queue.entries().values()]
    assert len(dead) + len(back) == number
    assert len({*dead, *back}) == number


def until_some_are_back(queue: Queue, more_than: int = 0) -> int:
    until(lambda: queue.redis.xlen(queue.stream) > more_than, "some letters are replayed")
    return int(queue.redis.xlen(queue.stream))


def test_replays_that_are_killed_again_and_again_lose_and_double_nothing(queue: Queue) -> None:
    queue.add_many(LETTERS)
    back, killed_in_the_middle = 0, 0
    for _ in range(KILLS):
        process = queue.start("replay", "--all", "--rate", "5000")
        back = until_some_are_back(queue, back)
        process.kill()
        ended(process)
        assert_each_is_in_one_place(queue, LETTERS)
        if not queue.letters():
            break
        killed_in_the_middle += 1
    # On a busy machine one may be through before the test notices.
    assert killed_in_the_middle
    queue.add(device_id="last")
    last = ended(queue.start("replay", "--all", "--json"))
    assert last.code == 0
    assert queue.letters() == []
    assert_each_is_in_one_place(queue, LETTERS + 1)


def test_two_who_replay_the_same_letters_replay_each_once(queue: Queue) -> None:
    queue.add_many(LETTERS)
    # Both have begun before either changes anything.
    queue.redis.client_pause(600_000, all=False)
    both = [queue.start("replay", "--all", "--json") for _ in range(2)]
    until(lambda: _waiting(queue) == 2, "both replay")
    queue.redis.client_unpause()
    one, other = (ended(process) for process in both)
    assert_each_is_in_one_place(queue, LETTERS)
    assert queue.letters() == []
    new_ids = {*one.json["new_ids"].values(), *other.json["new_ids"].values()}
    assert len(new_ids) == one.json["replayed"] + other.json["replayed"] == LETTERS
    skipped = [*one.json["skipped"], *other.json["skipped"]]
    assert skipped
    assert {each["why"] for each in skipped} == {"not among the dead letters"}
    assert 1 in {one.code, other.code}


def test_an_interrupt_waits_for_the_answer_and_says_what_was_done(queue: Queue) -> None:
    ids = queue.add_many(60)
    queue.redis.client_pause(600_000, all=False)
    process = queue.start("replay", "--all", "--json")
    try:
        until(lambda: _waiting(queue) == 1, "the replay is held")
        process.send_signal(SIGINT)
        until(lambda: _is_taken(process), "the interrupt is taken")
    finally:
        queue.redis.client_unpause()
    done = ended(process)
    assert (done.code, done.json["interrupted"], done.json["replayed"]) == (130, True, 25)
    assert done.json["new_ids"] == dict(zip(ids[:25], queue.entries(), strict=True))
    assert queue.letters() == ids[25:]


def test_an_interrupt_ends_a_paced_replay_between_two_letters(queue: Queue) -> None:
    queue.add_many(3)
    process = queue.start("replay", "--all", "--json", "--rate", "0.001")
    until_some_are_back(queue)
    process.send_signal(SIGINT)
    done = ended(process)
    assert (done.code, done.json["replayed"]) == (130, 1)
    assert len(queue.letters()) == 2


def test_a_second_interrupt_does_not_wait_for_a_server_that_never_answers(queue: Queue) -> None:
    queue.add_many(3)
    queue.redis.client_pause(600_000, all=False)
    process = queue.start("replay", "--all", "--json")
    try:
        until(lambda: _waiting(queue) == 1, "the replay is held")
        process.send_signal(SIGINT)
        # Nothing outside shows that the first one was taken; the second has to be another one.
        until(lambda: _is_taken(process), "the first interrupt is taken")
        process.send_signal(SIGINT)
        done = ended(process)
    finally:
        queue.redis.client_unpause()
    assert (done.code, done.json["replayed"]) == (130, 0)
    assert "the answer to the last request is missing: 3 more letters" in done.err


def _waiting(queue: Queue) -> int:
    """Clients whose script Redis has taken and does not run."""
    return sum(
        each["cmd"].startswith("eval") and "b" in each["flags"]
        for each in queue.redis.client_list()
    )


def _is_taken(process: subprocess.Popen[str]) -> bool:
    """Whether no interrupt is pending, and the process sleeps again."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines())
    return int(lines["ShdPnd"], 16) == 0 and lines["State"].startswith("S")


class LosesAnswers:
    """Between a client and Redis: the answer to the script is lost, with the connection."""

    def __init__(self, server: RedisServer, scripts: int) -> None:
        self._server = server
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection((self._server.host, self._server.port)) as server:
            while asked := client.recv(1_000_000):
                server.sendall(asked)
                answer = server.recv(1_000_000)
                self._scripts -= b"EVAL" in asked
                if self._scripts == 0:
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(30)


@contextmanager
def losing(server: RedisServer, scripts: int) -> Iterator[str]:
    relay = LosesAnswers(server, scripts)
    try:
        yield server.operator_url.replace(f":{server.port}", f":{relay.port}")
    finally:
        relay.close()


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_a_lost_answer_at_first_ends_with_4_and_is_said(
    command: str, queue: Queue, redis_server: RedisServer
) -> None:
    ids = queue.add_many(3)
    with losing(redis_server, scripts=1) as url:
        sure = ["--yes"] if command == "drop" else []
        done = ended(queue.start(command, *ids, *sure, "--json", env={"REDIS_URL": url}))
    assert (done.code, done.out) == (4, "")
    assert "the answer to the last request is missing: 3 more letters" in done.err
    assert queue.letters() == []
    assert len(queue.entries()) == (3 if command == "replay" else 0)
    again = ended(queue.start(command, *ids, *sure, "--json"))
    assert (again.code, again.json["matched"]) == (1, 0)
    assert len(queue.entries()) == (3 if command == "replay" else 0)


def test_a_lost_answer_behind_others_ends_with_1_and_says_what_is_known(
    queue: Queue, redis_server: RedisServer
) -> None:
    ids = queue.add_many(75)
    with losing(redis_server, scripts=2) as url:
        done = ended(queue.start("replay", *ids, "--json", env={"REDIS_URL": url}))
    assert done.code == 1
    assert done.json["replayed"] == len(done.json["new_ids"]) == 25
    assert done.json["error"]
    assert "25 more letters" in done.err
    assert_each_is_in_one_place(queue, 75)
    assert queue.letters() == ids[50:]


def test_letters_that_die_again_during_a_replay_are_not_replayed_again(queue: Queue) -> None:
    """As a service does that refuses each of them at once."""
    queue.add_many(1_000)
    process = queue.start("replay", "--all", "--json")
    taken = 0
    while taken < 1_000:
        for entry_id in [*queue.entries()]:
            queue.add(device_id=str(taken), dlq_replays="1")
            queue.redis.xdel(queue.stream, entry_id)
            taken += 1
    done = ended(process)
    assert (done.code, done.json["matched"], done.json["replayed"]) == (0, 1_000, 1_000)
    assert_each_is_in_one_place(queue, 1_000)
    assert len(queue.letters()) == 1_000


@pytest.fixture
def own_server(redis_binary: RedisBinary) -> Iterator[RedisServer]:
    """A Redis whose settings the test may change."""
    with launch_redis(redis_binary) as server:
        yield server


@pytest.fixture
def own(own_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue on it; a test that also has `dlq` names that first, whose environment this one replaces."""
    environ = {"REDIS_URL": own_server.operator_url, "REDIS_TELEMETRY_STREAM": "telemetry:own"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with Redis.from_url(own_server.admin_url) as client:
        yield Queue(client, "telemetry:own", environ)


def test_a_full_memory_leaves_each_letter_where_it_is(dlq: Typed, own: Queue) -> None:
    ids = own.add_many(30)
    own.redis.config_set("maxmemory", 1)
    done = dlq("replay", "--all", "--json")
    assert (done.code, done.out) == (4, "")
    assert "OOM" in done.err
    assert own.letters() == ids
    assert own.redis.exists(own.stream) == 0
    # Dropping makes room.
    assert dlq("drop", ids[0], "--yes").code == 0
    own.redis.config_set("maxmemory", 0)
    assert dlq("replay", "--all").code == 0
    assert len(own.entries()) == 29


def test_a_stream_that_is_none_leaves_each_letter_where_it_is(queue: Queue, dlq: Typed) -> None:
    ids = queue.add_many(30)
    queue.redis.set(queue.stream, "no stream")
    done = dlq("replay", "--all", "--json")
    assert (done.code, done.out) == (4, "")
    assert "WRONGTYPE" in done.err
    assert queue.letters() == ids


@pytest.mark.parametrize("denied", ["xdel", "xadd"])
def test_a_user_who_may_do_only_half_of_it_does_nothing(
    denied: str,
    dlq: Typed,
    own: Queue,
    own_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = own.add_many(30)
    own.redis.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "halfway", "on", ">s3cret", "~telemetry:*", "+@all", f"-{denied}"
    )
    monkeypatch.setenv("REDIS_URL", f"redis://halfway:s3cret@127.0.0.1:{own_server.port}/0")
    done = dlq("replay", "--all", "--json")
    assert (done.code, done.out) == (4, "")
    assert f"this user may not run {denied.upper()} on telemetry:own" in done.err
    assert own.letters() == ids
    assert own.entries() == {}


def test_an_interrupted_export_leaves_no_file(
    queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    queue.add_many(20_000)
    process = queue.start("export", str(tmp_path / "letters.jsonl"))
    until(lambda: [*tmp_path.iterdir()], "it has begun")
    # Whatever it has of them by now, its end waits.
    redis_server.process.freeze()
    process.send_signal(SIGINT)
    done = ended(process)
    redis_server.process.thaw()
    assert (done.code, done.out) == (130, "")
    assert [*tmp_path.iterdir()] == []
