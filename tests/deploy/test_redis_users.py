"""The users that deploy/redis has: what each may do, that nothing of it is unused, and that it holds on a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers import ServerError, launch_redis
from dev.servers.redis_users import (
    DEFAULT_BESIDE_AN_APPEND_ONLY_FILE,
    redis_url,
)
from tests.support.acl_files import deployed, users_of
from tests.tidy.markdown import code_spans, section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import RedisBinary, RedisServer

ROOT = Path(__file__).parents[2]
USERS = ROOT / "deploy" / "redis" / "users.acl"
REPLICATION = USERS.with_name("replication.acl")
KEYS = "~telemetry:*"
CHANNELS = ("&telemetry:*:control", "&telemetry:*:control:*")
# What a client library sends to log in: no code of ours names it.
TO_CONNECT = frozenset({"auth", "hello", "select", "client|setname"})


def test_the_file_has_the_users_of_the_contract_and_no_password() -> None:
    users = users_of(USERS)
    assert sorted(users) == ["default", "operator", "processor", "tcp-ingestion"]
    for user in users.values():
        assert "on" in user.words
        assert not any(word.startswith((">", "<", "#", "!")) for word in user.words)
        # From nothing, whatever the server had before.
        assert user.words.index("-@all") < user.words.index(f"+{user.rights[0]}")
    assert users["default"].rights == ("ping",)
    for name in ("operator", "processor", "tcp-ingestion"):
        patterns = [word for word in users[name].words if word[0] in "~&%"]
        assert patterns == [KEYS, *CHANNELS]
        assert not any(right.startswith("@") for right in users[name].rights)
        assert len(set(users[name].rights)) == len(users[name].rights)


def test_replicas_and_sentinels_have_users_of_their_own_without_password_or_key() -> None:
    # That their rights are enough is shown by each test with a cluster, a replica or sentinels: these log in so.
    users = users_of(REPLICATION)
    assert {
        name: [word for word in user.words if word[0] in "~&%><#!"] for name, user in users.items()
    } == {
        "replica": [],
        "sentinel": ["&__sentinel__:hello"],
    }
    for user in users.values():
        assert {"on", "resetkeys", "resetchannels", "-@all"} <= set(user.words)
        assert not any(right.startswith("@") for right in user.rights)


# Where the code of each user is. What the processor's scripts do counts for the operator, too: it runs some of them.
SOURCES = {
    "processor": ("processor/edges/redis", "telemetry/chassis/redis", "telemetry/chassis/control"),
    "operator": (
        "processor/operating",
        "processor/edges/redis/scripts",
        "processor/cli",
        "telemetry/chassis/control",
        "telemetry/chassis/redis/cluster",
        "telemetry/stream",
    ),
    "tcp-ingestion": ("ingestion", "telemetry/chassis/redis", "telemetry/chassis/control"),
    "drill": ("drills", "telemetry/stream"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_user_has_no_right_that_its_code_does_not_use(name: str) -> None:
    user = deployed(name)
    source = "\n".join(
        path.read_text()
        for place in SOURCES[name]
        for path in sorted((ROOT / "python" / place).rglob("*"))
        if path.suffix in {".py", ".lua"}
    )
    unused = [right for right in user.rights if not is_used(right, source)]
    assert set(unused) <= TO_CONNECT


def is_used(right: str, source: str) -> bool:
    """Whether the source sends the command, as words of its own or by a method of the client."""
    words = right.split("|")
    sent = r"""["'],\s*["']""".join(words)
    method = "_".join(words).replace("del", "(del|delete)") if words == ["del"] else "_".join(words)
    in_words = re.search(rf"""["']{sent}["']""", source, re.IGNORECASE)
    return bool(in_words or re.search(rf"\.{method}\(", source) or is_implied(right, source))


def is_implied(right: str, source: str) -> bool:
    """Whether a pipeline sends it: a transaction is begun and executed by the client library."""
    return right in {"multi", "exec"} and "transaction=True" in source


def test_the_papers_tables_of_rights_are_the_files() -> None:
    _, rights, replication = section(Path("SECURITY.md"), "Users of Redis").tables
    in_paper: dict[str, list[str]] = {}
    for user, commands, _ in (*rights.rows, *replication.rows):
        in_paper.setdefault(code_spans(user)[0], []).extend(
            command.replace("\\", "") for command in code_spans(commands)
        )
    assert {name: sorted(commands) for name, commands in in_paper.items()} == {
        name: sorted(user.rights)
        for file in (USERS, REPLICATION)
        for name, user in users_of(file).items()
        if name != "default"
    }


def test_beside_an_append_only_file_nothing_is_lost_with_the_other_default_user(
    redis_binary: RedisBinary,
) -> None:
    assert f"\n{DEFAULT_BESIDE_AN_APPEND_ONLY_FILE}\n" in (ROOT / "SECURITY.md").read_text()
    with (
        launch_redis(redis_binary) as server,
        redis.Redis.from_url(server.admin_url) as admin,
    ):
        with admin.pipeline(transaction=True) as transaction:
            transaction.xadd("telemetry:x", {"a": "1"}).xadd("telemetry:x", {"a": "2"}).execute()
        server.process.restart()
        assert admin.xlen("telemetry:x") == 2
        with redis.Redis(port=server.port) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()


@pytest.fixture
def plain_server(redis_binary: RedisBinary, tmp_path: Path) -> Iterator[RedisServer]:
    """A server with the file as it is deployed: `default` included, and no password yet."""
    users = tmp_path / "users.acl"
    users.write_text(USERS.read_text() + "user admin on nopass allkeys allchannels allcommands\n")
    with launch_redis(redis_binary, users=False, extra_args=["--aclfile", str(users)]) as server:
        yield server


def test_without_a_login_nothing_is_possible_but_a_ping(plain_server: RedisServer) -> None:
    with redis.Redis(port=plain_server.port, driver_info=None) as client:
        assert client.ping()
        for command in (
            ("GET", "telemetry:x"),
            ("ACL", "WHOAMI"),
            ("CONFIG", "GET", "*"),
            ("INFO",),
        ):
            with pytest.raises(redis.ResponseError, match=r"(?i)no permissions"):
                client.execute_command(*command)


def test_a_user_cannot_log_in_before_it_has_a_password(plain_server: RedisServer) -> None:
    for name in ("processor", "operator", "tcp-ingestion"):
        for password in ("", name, "x"):
            with (
                redis.Redis(
                    port=plain_server.port,
                    username=name,
                    password=password,
                    # By default the client tries three times, with pauses.
                    retry=Retry(NoBackoff(), 0),
                ) as client,
                pytest.raises(redis.AuthenticationError),
            ):
                client.execute_command("ACL", "WHOAMI")


def test_a_password_is_added_and_kept_as_the_papers_say(plain_server: RedisServer) -> None:
    with redis.Redis(port=plain_server.port, username="admin", password="x") as admin:
        admin.execute_command("ACL", "SETUSER", "processor", ">first")
        admin.execute_command("ACL", "SAVE")
    plain_server.process.restart()
    with redis.Redis(
        port=plain_server.port, username="processor", password="first", driver_info=None
    ) as client:
        assert client.xadd("telemetry:x", {"a": "b"})


@pytest.mark.parametrize("user", ["processor", "operator", "tcp-ingestion"])
@pytest.mark.parametrize(
    "command",
    [
        ("XADD", "elsewhere:x", "*", "a", "b"),
        ("DEL", "telemetry:x"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("DEBUG", "SLEEP", "0"),
        ("CLIENT", "LIST"),
        ("CLIENT", "KILL", "ID", "1"),
        ("SCRIPT", "FLUSH"),
        ("PUBLISH", "elsewhere", "x"),
        ("PUBLISH", "telemetry:x", "x"),
        ("XTRIM", "telemetry:x", "MAXLEN", "0"),
        ("XGROUP", "DESTROY", "telemetry:x", "processor"),
        ("XGROUP", "SETID", "telemetry:x", "processor", "$"),
        ("MONITOR",),
        ("SHUTDOWN",),
    ],
    ids=" ".join,
)
def test_what_loses_data_or_shows_others_is_refused(
    redis_server: RedisServer, user: str, command: tuple[str, ...]
) -> None:
    with (
        redis_server.denials_intended(),
        redis.Redis.from_url(redis_url(user, redis_server.port), driver_info=None) as client,
        pytest.raises(redis.ResponseError, match=r"(?i)NOPERM|no permissions"),
    ):
        client.execute_command(*command)


def test_a_script_may_do_no_more_than_its_user(redis_server: RedisServer) -> None:
    with (
        redis_server.denials_intended(),
        redis.Redis.from_url(redis_server.processor_url, driver_info=None) as client,
        pytest.raises(redis.ResponseError, match=r"can't run this command|NOPERM|no permissions"),
    ):
        client.eval("return redis.call('DEL', KEYS[1])", 1, "telemetry:x")


def test_a_denial_that_no_test_intends_fails_the_run_and_names_the_command(
    redis_binary: RedisBinary,
) -> None:
    with pytest.raises(ServerError, match="user processor may not use the command config"):
        refuse_and_restart(redis_binary)


def refuse_and_restart(binary: RedisBinary) -> None:
    """Have a server refuse, and then forget it by being killed."""
    with (
        launch_redis(binary) as server,
        redis.Redis.from_url(server.processor_url, driver_info=None) as client,
    ):
        with pytest.raises(redis.ResponseError):
            client.config_get("port")
        server.process.kill()
        server.process.start()
