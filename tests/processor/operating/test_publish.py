"""Publishing into a real Redis."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from dev.servers.ports import free_port
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.stream.entry import Entry
from telemetry.stream.publisher import StreamPublisher, Target
from tests.support.vectors import COMMAND, DRIVE, GOOD, WRONG_CRC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.operators import Ended


@pytest.fixture
def redis_url(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's URL, in the environment too."""
    monkeypatch.delenv("REDIS_TELEMETRY_STREAM", raising=False)
    monkeypatch.setenv("REDIS_URL", redis_server.operator_url)
    return redis_server.operator_url


def entries_in(client: Redis, stream: str) -> list[dict[bytes, bytes]]:
    """The fields of the stream's entries, in order."""
    return [fields for _, fields in cast("Any", client.xrange(stream))]


@pytest.mark.usefixtures("redis_url")
def test_the_stream_holds_what_the_dry_run_prints_in_its_order(
    run: Callable[..., Ended], redis_client: Redis, stream_name: str
) -> None:
    printed = run("--dry-run", DRIVE).out.splitlines()
    ended = run("--stream", stream_name, "--json", DRIVE)
    entries = entries_in(redis_client, stream_name)
    assert ended.code == 0
    assert [set(fields) for fields in entries] == [
        {b"ts", b"device_id", b"codec", b"payload"}
    ] * 13_732
    published = [
        f'"codec":"{fields[b"codec"].decode()}","device_id":"{fields[b"device_id"].decode()}",'
        f'"ts":"{fields[b"ts"].decode()}","payload":{fields[b"payload"].decode()}}}'
        for fields in entries
    ]
    assert published == [line.split(",", 1)[1] for line in printed]
    summary = ended.lines[-1]
    seconds, per_second = summary.pop("seconds"), summary.pop("records_per_second")
    assert seconds > 0
    assert per_second > 0
    assert summary == {
        "stream": stream_name,
        "frames": 3_208,
        "records": 13_732,
        "refused": 0,
        "commands": 0,
        "empty": 0,
        "logins": 0,
        "pings": 0,
        "padding_bytes": 0,
        "interrupted": False,
    }


@pytest.mark.usefixtures("redis_url")
def test_a_refused_frame_is_reported_and_the_others_are_published(
    run: Callable[..., Ended],
    capture_of: Callable[[Iterable[str]], Path],
    redis_client: Redis,
    stream_name: str,
) -> None:
    file = capture_of([GOOD, WRONG_CRC, COMMAND, GOOD])
    refused = run("--stream", stream_name, file)
    assert refused.code == 1
    assert refused.out == ""
    assert f"{file}:2: refused: crc_fail at byte 62\n" in refused.err
    assert "2 records of 4 frames (1 refused, 1 commands, 0 without records)" in refused.err
    as_json = run("--stream", stream_name, "--json", file)
    assert as_json.lines[0] == {"line": 2, "error": "crc_fail", "offset": 62}
    assert as_json.lines[-1]["refused"] == 1
    assert redis_client.xlen(stream_name) == 4


@pytest.mark.usefixtures("redis_url")
def test_unreadable_bytes_are_named_with_their_place_and_what_to_do(
    run: Callable[..., Ended],
    capture_of: Callable[[Iterable[str]], Path],
    stream_name: str,
) -> None:
    file = capture_of([GOOD, "01", GOOD[:40]])
    errors = run("--stream", stream_name, file).err
    assert (
        f"{file}:2: refused: bad_preamble at byte 0: no frame, login or ping begins here;" in errors
    )
    assert "leave out what the server sent\n" in errors
    assert f"{file}:3: refused: truncated at byte 20: the frame goes on beyond the end;" in errors


@pytest.mark.usefixtures("redis_url")
def test_the_stream_is_kept_to_about_its_length(
    run: Callable[..., Ended], redis_client: Redis, stream_name: str
) -> None:
    run("--stream", stream_name, "--maxlen", "1000", DRIVE)
    assert 1_000 <= redis_client.xlen(stream_name) < 1_200
    redis_client.delete(stream_name)
    run("--stream", stream_name, "--maxlen", "0", DRIVE)
    assert redis_client.xlen(stream_name) == 13_732


@pytest.mark.usefixtures("redis_url")
def test_the_environment_names_the_stream_and_device_and_rounds_come_from_options(
    run: Callable[..., Ended],
    capture_of: Callable[[Iterable[str]], Path],
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_TELEMETRY_STREAM", stream_name)
    run("--device-id", "352093089168821", "--repeat", "3", capture_of([GOOD]))
    devices = [fields[b"device_id"] for fields in entries_in(redis_client, stream_name)]
    assert devices == [b"352093089168821"] * 3


def test_an_unreachable_server_is_named_without_its_password(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://user:hunter2@127.0.0.1:{port}/0")
    ended = run(DRIVE)
    assert ended.code == 4
    assert f"127.0.0.1:{port}" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    "url", [None, "", "http://user:hunter2@host", "redis://:hunter2@host:port"]
)
def test_a_url_that_is_missing_or_none_is_a_bad_configuration(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("REDIS_URL", url)
    ended = run(DRIVE)
    assert (ended.code, ended.out) == (78, "")
    assert "REDIS_URL" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.usefixtures("redis_url")
def test_a_stream_name_that_is_another_type_ends_with_redis_own_words(
    run: Callable[..., Ended], redis_client: Redis, stream_name: str
) -> None:
    redis_client.set(stream_name, "text")
    ended = run("--stream", stream_name, DRIVE)
    assert ended.code == 4
    assert "WRONGTYPE" in ended.err
    assert "0 records of" in ended.err


def test_a_refused_entry_leaves_the_connection_usable_and_counts_the_others(
    redis_url: str, redis_client: Redis, stream_name: str
) -> None:
    entry = Entry("2026-05-01T09:30:00.000Z", "356307042441013", "8", b"{}")
    redis_client.xadd(stream_name, {"a": "b"}, id="18446744073709551615-18446744073709551615")
    with StreamPublisher(redis_url, Target(stream_name, 0)) as publisher:
        with pytest.raises(RedisRefused, match="exhausted"):
            publisher.publish([entry, entry])
        assert publisher.published == 0
        redis_client.delete(stream_name)
        publisher.publish([entry, entry])
        assert publisher.published == 2
    assert redis_client.xlen(stream_name) == 2


def test_a_server_that_dies_is_unavailable_and_nothing_is_counted_that_was_not_confirmed(
    redis_server: RedisServer, redis_url: str, stream_name: str
) -> None:
    entry = Entry("2026-05-01T09:30:00.000Z", "356307042441013", "8", b"{}")
    with StreamPublisher(redis_url, Target(stream_name, 0)) as publisher:
        publisher.publish([entry])
        redis_server.process.kill()
        with pytest.raises(RedisUnavailable, match=str(redis_server.port)):
            publisher.publish([entry] * 3)
        assert publisher.published == 1


@pytest.mark.usefixtures("redis_url")
def test_an_interrupt_ends_with_130_and_says_what_was_published(
    start: Callable[..., subprocess.Popen[str]], redis_client: Redis, stream_name: str
) -> None:
    with start("--stream", stream_name, "--rate", "50", DRIVE) as process:
        assert redis_client.xread({stream_name: "0"}, block=30_000)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"interrupted: published to {stream_name}: " in errors
    assert "Traceback" not in errors
    assert 0 < redis_client.xlen(stream_name) < 13_732


@pytest.mark.usefixtures("redis_url")
def test_a_closed_standard_output_does_not_stop_the_publishing(
    start: Callable[..., Any],
    capture_of: Callable[[Iterable[str]], Path],
    redis_client: Redis,
    stream_name: str,
) -> None:
    file = capture_of([WRONG_CRC, GOOD])
    with start("--json", "--stream", stream_name, file) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert redis_client.xlen(stream_name) == 1
