from __future__ import annotations

import ssl
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trio
import trustme

from dev.servers import launch_redis
from dev.servers.ports import HOST, free_port
from dev.servers.redis_users import ADMIN, login
from telemetry.chassis.errors import RedisError, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.limits import RedisLimits
from tests.conftest import redis_key
from tests.support.peers import answering, peer, silent
from tests.support.redis_connections import asked, opened
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer
    from telemetry.chassis.redis.connection import RedisConnection

PASSWORD = "s3cret/ä 'quoted'"
# Tests of a connection ask what the service never asks.
ADMINISTRATOR = f"{login(ADMIN)}@"
BOUND_S = 10.0


async def refusal(url: str, *, limits: RedisLimits | None = None) -> RedisError:
    """What opening `url` raises, in time; no secret in it or behind it."""
    with trio.fail_after(BOUND_S), pytest.raises(RedisError) as caught:
        async with opened(url, limits=limits):
            pass
    assert not any(part in shown(caught.value) for part in ("s3cret", "quoted"))
    return caught.value


def shown(error: BaseException) -> str:
    """All that a log could show of it: the whole chain of causes, without lines of this file."""
    return "".join(traceback.TracebackException.from_exception(error).format_exception_only()) + (
        "".join(map(shown, filter(None, (error.__cause__, error.__context__))))
    )


async def own_entry(connection: RedisConnection) -> dict[str, str]:
    """What CLIENT INFO says of the connection."""
    info = await asked(connection, "CLIENT", "INFO")
    return dict(field.split("=", 1) for field in info.decode().split())


@pytest.fixture
def user(redis_client: Redis, stream_name: str) -> Iterator[str]:
    """A user of the test's own, with a password."""
    name = stream_name.replace(":", "-")
    redis_client.execute_command("ACL", "SETUSER", name, "on", f">{PASSWORD}", "~*", "+@all")  # type: ignore[no-untyped-call]
    yield name
    redis_client.execute_command("ACL", "DELUSER", name)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def locked_server(pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    """A server with a password for everyone."""
    arguments = ["--requirepass", PASSWORD]
    with launch_redis(pytestconfig.stash[redis_key], users=False, extra_args=arguments) as server:
        yield server


@pytest.fixture(scope="module")
def old_server(pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    """A server with a password that does not know HELLO."""
    arguments = ["--requirepass", PASSWORD, "--rename-command", "HELLO", ""]
    with launch_redis(pytestconfig.stash[redis_key], users=False, extra_args=arguments) as server:
        yield server


def at(server: RedisServer, user: str = ADMINISTRATOR, *, db: int = 0) -> str:
    return f"redis://{user}{server.host}:{server.port}/{db}"


async def test_a_tcp_connection_has_a_name_a_database_resp3_and_its_own_id(
    redis_server: RedisServer,
) -> None:
    async with opened(at(redis_server, db=3), name="processor/a:reader") as connection:
        entry = await own_entry(connection)
        assert (entry["name"], entry["db"], entry["resp"]) == ("processor/a:reader", "3", "3")
        assert entry["id"] == str(connection.client_id)


async def test_a_unix_socket_is_a_way_in(redis_server: RedisServer) -> None:
    async with opened(f"unix://{ADMINISTRATOR}{redis_server.unix_socket}?db=2") as connection:
        entry = await own_entry(connection)
        assert (entry["db"], entry["resp"]) == ("2", "3")
        assert connection.where == str(redis_server.unix_socket)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [("a b", "a_b"), ("Tirana-ë\t1", "Tirana-__1"), ("plain", "plain")],
)
async def test_a_name_that_redis_would_refuse_is_made_acceptable(
    redis_server: RedisServer, wanted: str, given: str
) -> None:
    async with opened(at(redis_server), name=wanted) as connection:
        entry = await own_entry(connection)
        assert (entry["name"], entry["resp"]) == (given, "3")


async def test_user_and_password_are_taken_from_the_url(
    redis_server: RedisServer, user: str
) -> None:
    async with opened(at(redis_server, f"{user}:{quote(PASSWORD, safe='')}@")) as connection:
        assert await asked(connection, "ACL", "WHOAMI") == user.encode()


@pytest.mark.parametrize("server", ["locked_server", "old_server"])
async def test_a_password_alone_is_the_default_users(
    request: pytest.FixtureRequest, server: str
) -> None:
    url = at(request.getfixturevalue(server), f":{quote(PASSWORD, safe='')}@")
    async with opened(url) as connection:
        assert await asked(connection, "ACL", "WHOAMI") == b"default"


async def test_a_server_without_hello_is_spoken_to_in_resp2(old_server: RedisServer) -> None:
    url = at(old_server, f":{quote(PASSWORD, safe='')}@", db=1)
    async with opened(url, name="processor/old") as connection:
        entry = await own_entry(connection)
        assert (entry["name"], entry["db"], entry["resp"]) == ("processor/old", "1", "2")


@pytest.mark.parametrize("server", ["locked_server", "old_server"])
async def test_a_wrong_password_is_refused_and_shown_nowhere(
    request: pytest.FixtureRequest, server: str
) -> None:
    error = await refusal(at(request.getfixturevalue(server), ":s3cret-but-wrong@"))
    assert isinstance(error, RedisRefused)
    assert error.code == "WRONGPASS"


async def test_no_password_where_one_is_needed_is_refused(locked_server: RedisServer) -> None:
    error = await refusal(at(locked_server, ""))
    assert isinstance(error, RedisRefused)
    assert error.code == "NOAUTH"


async def test_a_server_that_echoes_a_command_it_does_not_know_betrays_no_password() -> None:
    # As Redis with HELLO and AUTH renamed, which ends with the arguments.
    echo = b"-ERR unknown command 'AUTH', with args beginning with: 'default' 's3cret' \r\n"
    async with peer(answering(echo, echo)) as port:
        error = await refusal(f"redis://:s3cret@{HOST}:{port}/0")
    assert isinstance(error, RedisRefused)
    assert str(error) == f"{HOST}:{port}: ERR unknown command 'AUTH'"


async def test_a_database_that_is_not_there_is_refused(redis_server: RedisServer) -> None:
    error = await refusal(at(redis_server, db=9999))
    assert isinstance(error, RedisRefused)
    assert "DB index is out of range" in str(error)


async def test_a_full_server_is_heard_and_not_taken_for_an_old_one() -> None:
    full = b"-ERR max number of clients reached\r\n"
    async with peer(answering(full)) as port:
        error = await refusal(f"redis://{HOST}:{port}/0")
    assert "max number of clients reached" in str(error)


async def test_a_server_that_is_away_is_named_with_the_reason(tmp_path: Path) -> None:
    port = free_port()
    error = await refusal(f"redis://user:s3cret@{HOST}:{port}/0")
    assert isinstance(error, RedisUnavailable)
    assert str(error) == f"{HOST}:{port}: cannot connect: Connection refused"
    error = await refusal(f"unix://{tmp_path}/none.sock")
    assert str(error) == f"{tmp_path}/none.sock: cannot connect: No such file or directory"


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64, "a..b"])
async def test_a_host_that_has_no_address_is_unavailable(host: str) -> None:
    error = await refusal(f"redis://{host}:6379/0")
    assert isinstance(error, RedisUnavailable)
    assert str(error).startswith(f"{host}:6379: cannot connect: ")


async def test_a_path_that_cannot_be_one_is_unavailable() -> None:
    assert isinstance(await refusal(f"unix:///tmp/{'long' * 40}"), RedisUnavailable)
    assert isinstance(await refusal("unix:///tmp/zero%00byte"), RedisUnavailable)


async def test_a_peer_that_accepts_and_is_silent_is_given_up_in_time(
    authority_file: Path,
) -> None:
    short = RedisLimits(connect_timeout_ms=50, silence_ms=50)
    async with peer(silent) as port:
        plain = await refusal(f"redis://{HOST}:{port}/0", limits=short)
        secure_url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority_file}"
        secure = await refusal(secure_url, limits=short)
    assert str(plain) == f"{HOST}:{port}: no answer in time"
    assert str(secure) == f"{HOST}:{port}: no TLS session within 50 ms"


@pytest.mark.parametrize(
    "answers",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"\x15\x03\x01\x00\x02\x02\x46"],
        [b"%1\r\n+proto\r\n:3\r\n", b"+not a number\r\n"],
        [b"$-5\r\n"],
    ],
    ids=["http", "tls", "no client id", "negative length"],
)
async def test_a_peer_that_is_no_redis_is_unavailable(answers: list[bytes]) -> None:
    # Some garbage could still become a reply, so that it is waited for.
    short = RedisLimits(silence_ms=200)
    async with peer(answering(*answers)) as port:
        error = await refusal(f"redis://{HOST}:{port}/0", limits=short)
        assert isinstance(error, RedisUnavailable)


async def test_a_peer_that_hangs_up_is_unavailable() -> None:
    async def hang_up(_: trio.SocketStream) -> None:
        await trio.lowlevel.checkpoint()

    async with peer(hang_up) as port:
        assert isinstance(await refusal(f"redis://{HOST}:{port}/0"), RedisUnavailable)


async def test_a_cancelled_opening_leaves_no_socket_open() -> None:
    heard = trio.Event()
    ended = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        while await stream.receive_some(65_536):
            heard.set()
        ended.set()

    async with peer(listen) as port, trio.open_nursery() as nursery:
        with trio.fail_after(BOUND_S):
            async with trio.open_nursery() as inner:

                async def connect() -> None:
                    async with opened(f"redis://{HOST}:{port}/0"):
                        pass

                inner.start_soon(connect)
                await heard.wait()
                inner.cancel_scope.cancel()
            await ended.wait()
        nursery.cancel_scope.cancel()


async def test_tls_trusts_the_authority_of_the_url(
    redis_server: RedisServer, server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    async with (
        relay_to(redis_server.port, tls=server_tls) as relay,
        opened(tls_url(relay, authority_file, ADMIN)) as connection,
    ):
        assert (await own_entry(connection))["resp"] == "3"


async def test_tls_refuses_a_certificate_that_nobody_vouches_for(
    redis_server: RedisServer, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    async with relay_to(redis_server.port, tls=server_tls) as relay:
        error = await refusal(tls_url(relay, stranger))
        assert isinstance(error, RedisUnavailable)
        assert "no TLS session: the server's certificate is not accepted: " in str(error)
        unchecked = f"rediss://{ADMINISTRATOR}localhost:{relay.port}/0?ssl_cert_reqs=none"
        async with opened(unchecked) as connection:
            assert await asked(connection, "PING") == b"PONG"


async def test_tls_checks_the_host_unless_the_url_says_not_to(
    redis_server: RedisServer, authority: trustme.CA, authority_file: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("redis.example.org").configure_cert(context)
    async with relay_to(redis_server.port, tls=context) as relay:
        url = tls_url(relay, authority_file)
        assert "mismatch" in str(await refusal(url))
        async with opened(f"{url}&ssl_check_hostname=false") as connection:
            assert await asked(connection, "PING") == b"PONG"


async def test_tls_shows_the_certificate_of_the_url_to_a_server_that_asks_for_one(
    redis_server: RedisServer, authority: trustme.CA, authority_file: Path, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own, key = tmp_path / "own.pem", tmp_path / "own.key"
    issued = authority.issue_cert("processor.example.org")
    issued.cert_chain_pems[0].write_to_path(str(own))
    issued.private_key_pem.write_to_path(str(key))
    async with relay_to(redis_server.port, tls=context) as relay:
        url = tls_url(relay, authority_file)
        assert isinstance(await refusal(url), RedisUnavailable)
        async with opened(f"{url}&ssl_certfile={own}&ssl_keyfile={key}") as connection:
            assert await asked(connection, "PING") == b"PONG"


async def test_missing_tls_files_are_distinguished_from_a_missing_server(
    redis_server: RedisServer, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    async with relay_to(redis_server.port, tls=server_tls) as relay:
        error = await refusal(tls_url(relay, tmp_path / "none.pem"))
    assert "ssl_ options are not usable: No such file or directory" in str(error)
