"""A process that has few file descriptors, tried with a real limit."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from ingestion.listening.descriptors import (
    CONNECTIONS_MAX,
    OWN_DESCRIPTORS,
    connections_left,
    take_descriptors,
)
from tests.ingestion.listening.few_descriptors import DESCRIPTORS
from tests.support.listening_harness import HOST, Listening

if TYPE_CHECKING:
    from collections.abc import Iterator

CROWD = 2 * DESCRIPTORS


def test_connections_wait_while_there_are_no_descriptors_and_are_served_afterwards() -> None:
    with few_descriptors() as server, ExitStack() as devices:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        crowd = [
            devices.enter_context(socket.create_connection((HOST, port), timeout=20))
            for _ in range(CROWD)
        ]
        served = next(number for number in range(CROWD) if not is_answered(crowd[number], 0.5))
        assert 0 < served < DESCRIPTORS
        assert is_hindered(server.stdin, server.stdout)
        for device in crowd[:-10]:
            device.close()
        for device in crowd[-10:]:
            assert is_answered(device, 20), "it is served once there are descriptors again"
        assert not is_hindered(server.stdin, server.stdout)
        server.stdin.close()
        told = json.loads(server.stdout.readline())
    assert told["refused"].pop("descriptors") > 0
    assert not any(told["refused"].values())
    (line,) = told["lines"]
    assert line.startswith("WARNING cannot accept connections")
    assert "Too many open files" in line


def is_answered(device: socket.socket, within_s: float) -> bool:
    device.settimeout(within_s)
    device.sendall(b"x")
    try:
        return device.recv(1) == b"x"
    except TimeoutError:
        return False


def is_hindered(requests: IO[str], answers: IO[str]) -> bool:
    requests.write("\n")
    requests.flush()
    return bool(json.loads(answers.readline())["hindered"])


@contextmanager
def few_descriptors() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.ingestion.listening.few_descriptors"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            yield server
            assert server.wait(20) == 0
        finally:
            server.kill()


@pytest.fixture
def limit() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_as_far_as_it_may_be_and_reported(
    listening: Listening, limit: tuple[int, int]
) -> None:
    _, hard = limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    connections_max = take_descriptors(None, listening.journal)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert connections_max == connections_left(hard)
    (line,) = listening.lines(20)
    assert f"from 512 to {hard}" in line
    assert listening.lines() == []


def test_more_connections_than_descriptors_are_not_promised(listening: Listening) -> None:
    left = connections_left(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert take_descriptors(left - 1, listening.journal) == left - 1
    assert listening.lines() == []
    assert take_descriptors(left + 1, listening.journal) == left
    (line,) = listening.lines()
    assert line.startswith(f"MAX_CONNECTIONS={left + 1} needs more file descriptors")


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [
        (1024, 1024 - 256 - OWN_DESCRIPTORS),
        (20, 1),
        (2_000_000_000, CONNECTIONS_MAX),
        (resource.RLIM_INFINITY, CONNECTIONS_MAX),
    ],
)
def test_endpoints_redis_and_files_keep_their_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connections_left(descriptors) == connections
