"""The blocking client for tools: what its errors become, and for how long it waits."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import HOST, free_port
from telemetry.chassis.errors import ConfigError, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.client import errors_translated, open_client, place_of, send_packed
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import RedisServer

SHORT = RedisLimits(connect_timeout_ms=50, answer_timeout_ms=50)
# Far more than two answers of 50 ms, less than one of the default.
BOUND_S = 20.0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are accepted by the system, and nobody answers."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_what_is_not_a_redis_url_is_a_configuration_error_that_does_not_quote_it() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL: expected redis://") as caught:
        open_client("http://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://user:hunter2@db:6380/1", "db:6380"),
        ("rediss://db", "db:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_the_place_is_shown_without_a_credential(url: str, place: str) -> None:
    assert place_of(open_client(url)) == place


def test_a_server_that_is_away_is_unavailable_and_named() -> None:
    port = free_port()
    client = open_client(f"redis://{HOST}:{port}/0")
    with pytest.raises(RedisUnavailable, match=f"{HOST}:{port}: "), errors_translated(client):
        client.ping()


def test_a_server_that_is_silent_is_given_up_in_time(silent_port: int) -> None:
    client = open_client(f"redis://{HOST}:{silent_port}/0", SHORT)
    began_s = time.monotonic()
    with pytest.raises(RedisUnavailable), errors_translated(client):
        client.ping()
    with pytest.raises(RedisUnavailable):
        send_packed(client, encode("PING"), replies=1)
    assert time.monotonic() - began_s < BOUND_S


def test_a_refusal_has_its_code(redis_server: RedisServer, stream_name: str) -> None:
    with open_client(redis_server.admin_url) as client:
        client.set(stream_name, "text")
        with pytest.raises(RedisRefused) as caught, errors_translated(client):
            client.xlen(stream_name)
        client.delete(stream_name)
    assert caught.value.code == "WRONGTYPE"


def test_a_missing_right_keeps_its_code_that_the_package_takes_away(
    redis_server: RedisServer,
) -> None:
    with (
        redis_server.denials_intended(),
        open_client(redis_server.operator_url) as client,
        pytest.raises(RedisRefused, match="NOPERM") as caught,
        errors_translated(client),
    ):
        client.flushall()
    assert caught.value.code == "NOPERM"


def test_refusals_among_packed_commands_are_returned_and_the_others_carried_out(
    redis_server: RedisServer, stream_name: str
) -> None:
    with open_client(redis_server.admin_url) as client:
        wires = [
            encode("SET", stream_name, "text"),
            encode("XLEN", stream_name),
            encode("APPEND", stream_name, "!"),
        ]
        [refusal] = send_packed(client, b"".join(wires), replies=3)
        assert refusal.code == "WRONGTYPE"
        assert client.getdel(stream_name) == b"text!"


def test_a_connection_that_breaks_while_replies_are_read_is_not_used_again(
    redis_server: RedisServer,
) -> None:
    limits = RedisLimits(answer_timeout_ms=100)
    with open_client(redis_server.admin_url, limits) as client:
        # One reply more than there are commands: it never comes.
        with pytest.raises(RedisUnavailable):
            send_packed(client, encode("PING"), replies=2)
        assert send_packed(client, encode("PING"), replies=1) == []
