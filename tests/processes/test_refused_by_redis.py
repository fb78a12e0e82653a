"""A Redis that refuses the connection: the log has its own words, and the exit code is 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.servers import launch_redis
from tests.conftest import redis_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from dev.servers import RedisServer
    from tests.processes.conftest import Run

SECRET = "correct-horse"
FEW_TRIES = {"CONNECT_ATTEMPTS": "2", "CONNECT_BACKOFF_MAX_MS": "20"}


@pytest.fixture
def guest(redis_client: Redis) -> Iterator[Callable[..., None]]:
    """Gives the user `guest` these rules, until the end of the test."""

    def rule(*rules: str) -> None:
        acl("SETUSER", "guest", "reset", *rules)

    def acl(*words: str) -> None:
        redis_client.execute_command("ACL", *words)  # type: ignore[no-untyped-call]

    yield rule
    acl("DELUSER", "guest")


@pytest.mark.parametrize(
    ("rules", "login", "words"),
    [
        (("on", f">{SECRET}", "~*", "+@all"), "guest:wrong@", "WRONGPASS invalid username"),
        (("off", f">{SECRET}", "~*", "+@all"), f"guest:{SECRET}@", "WRONGPASS invalid username"),
        (("on", f">{SECRET}", "~*", "+@all", "-time"), f"guest:{SECRET}@", "NOPERM "),
        (("on", f">{SECRET}", "~other", "+@all"), f"guest:{SECRET}@", "NOPERM "),
    ],
    ids=["wrong password", "user is off", "a command is missing", "a key is missing"],
)
def test_the_objection_of_redis_is_logged_in_its_words(
    run: Run,
    redis_server: RedisServer,
    guest: Callable[..., None],
    rules: tuple[str, ...],
    login: str,
    words: str,
) -> None:
    guest(*rules)
    assert_reported(run, redis_server, login, words)


def test_a_missing_password_is_logged_in_the_words_of_redis(
    run: Run, pytestconfig: pytest.Config
) -> None:
    locked = ["--requirepass", SECRET]
    with launch_redis(pytestconfig.stash[redis_key], users=False, extra_args=locked) as server:
        assert_reported(run, server, "", "NOAUTH Authentication required")


def assert_reported(run: Run, server: RedisServer, login: str, words: str) -> None:
    """The start ends with 4, and the last line has the server's words and no secret."""
    place = f"127.0.0.1:{server.port}"
    service = run(REDIS_URL=f"redis://{login}{place}", **FEW_TRIES)
    assert service.wait() == 4
    last = service.lines[-1]
    assert last["level"] == "fatal"
    assert last["msg"].startswith(f"cannot start: {place}: {words}")
    assert SECRET not in service.report() + str(service.lines)
