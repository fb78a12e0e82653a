"""Fixtures that every test may use: real servers, and a stream and a database for each test.

The run starts the servers itself. `PROCESSOR_TEST_SERVERS` says which may be used: `auto`
(the default: for each server the machine's own, else the embedded one), `machine` or `embedded`.
Where that PostgreSQL has TimescaleDB, the schema makes a hypertable. The first line of the run names
the servers, the Python, and the tests that are left out. A skipped test fails the run: a guarantee
that was not checked is not kept.
"""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.schema import create_database, drop_database
from dev.servers import (
    Choice,
    Database,
    PostgresBinaries,
    PostgresServer,
    RedisBinary,
    RedisServer,
    ServerError,
    find_postgres,
    find_program,
    find_redis,
    launch_postgres,
    launch_redis,
)
from dev.servers.programs import PACKAGES
from tests.support.images import postgres_of, redis_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytest_plugins = [
    "tests.support.logging_fixtures",
    "tests.support.certificates",
    "tests.support.clusters",
    "tests.support.dead_letters",
]

SERVERS_VARIABLE = "PROCESSOR_TEST_SERVERS"
# Set by `make test-images` alone.
REDIS_IMAGE_VARIABLE = "PROCESSOR_TEST_REDIS_IMAGE"
POSTGRES_IMAGE_VARIABLE = "PROCESSOR_TEST_POSTGRES_IMAGE"

redis_key = pytest.StashKey[RedisBinary]()
postgres_key = pytest.StashKey[PostgresBinaries]()

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the servers, and print the first line of the run."""
    choice = os.environ.get(SERVERS_VARIABLE, Choice.AUTO.value)
    try:
        config.stash[redis_key] = find_redis(Choice(choice))
        config.stash[postgres_key] = find_postgres(Choice(choice))
    except (ServerError, ValueError) as error:
        raise pytest.UsageError(f"{SERVERS_VARIABLE}={choice}: {error}") from None
    config.pluginmanager.register(SkipsFail())
    deployments = Deployments(config)
    config.pluginmanager.register(deployments)
    leave_no_files(config)
    heed_interrupts()
    redis = os.environ.get(REDIS_IMAGE_VARIABLE) or config.stash[redis_key]
    postgres = os.environ.get(POSTGRES_IMAGE_VARIABLE) or config.stash[postgres_key]
    first_line = [
        f"servers: {redis}, {postgres}",
        f"Python {platform.python_version()}",
        *deployments.announcement(),
    ]
    print("; ".join(first_line), flush=True)  # noqa: T201  # before pytest's own first line


def leave_no_files(config: pytest.Config) -> None:
    """Remove `tmp_path` after the run: pytest would keep three runs' files. --basetemp=DIR keeps them."""
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="processor-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def heed_interrupts() -> None:
    """Undo what a script's `&` does to SIGINT: processes that tests interrupt would inherit that it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class SkipsFail:
    """Fails the run for a skipped test, wherever in the run it was skipped."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice modules that are skipped as a whole."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice tests that are skipped, or are expected to fail."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Turn success into failure."""
        if self.skipped and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what was skipped, since it failed the run."""
        for nodeid in self.skipped:
            terminalreporter.write_line(f"skipped, which fails the run: {nodeid}", red=True)


class Deployments:
    """Checks that the tests of deployments find their programs, or says that they are left out."""

    MARKER = "deployment"

    def __init__(self, config: pytest.Config) -> None:
        self.are_left_out = f"not {self.MARKER}" in config.option.markexpr
        self.left_out: list[pytest.Item] = []

    def announcement(self) -> Iterator[str]:
        """For the first line: what `make test` does not run, and why."""
        if self.are_left_out:
            yield (
                f"left out: tests that need {', '.join(sorted(PACKAGES))},"
                " which `make test-all` runs"
            )

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Remember what `make test` does not run."""
        self.left_out += [item for item in items if item.get_closest_marker(self.MARKER)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """End the run before its first test if a program of the chosen tests is missing."""
        missing: list[str] = []
        for program in self._programs(session.items):
            try:
                find_program(program)
            except ServerError as error:
                missing.append(str(error))
        if missing:
            raise pytest.UsageError("; ".join(missing))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many tests `make test` left out, so that nobody takes a part for the whole."""
        if self.left_out and self.are_left_out:
            terminalreporter.write_line(
                f"left out: {len(self.left_out)} tests of deployments, which need"
                f" {', '.join(self._programs(self.left_out))}; `make test-all` runs them"
            )

    def _programs(self, items: Sequence[pytest.Item]) -> list[str]:
        return sorted(
            {
                name
                for item in items
                for mark in item.iter_markers(self.MARKER)
                for name in mark.args
            }
        )


@pytest.fixture
def signal_mask() -> Iterator[None]:
    """The stop signals that are blocked, as before once the test has ended: a run of a service blocks some."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(scope="session")
def redis_binary(pytestconfig: pytest.Config) -> RedisBinary:
    """The run's choice of a Redis, for tests that need a server of their own."""
    return pytestconfig.stash[redis_key]


@pytest.fixture(scope="session")
def redis_server(redis_binary: RedisBinary) -> Iterator[RedisServer]:
    """The run's Redis. A test with a `stream_name` may kill or freeze it: it is restored afterwards."""
    image = os.environ.get(REDIS_IMAGE_VARIABLE)
    with redis_of(image) if image else launch_redis(redis_binary) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_binaries(pytestconfig: pytest.Config) -> PostgresBinaries:
    """The run's choice of a PostgreSQL, for tests that need a server of their own."""
    return pytestconfig.stash[postgres_key]


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: PostgresBinaries) -> Iterator[PostgresServer]:
    """The run's PostgreSQL. A test with a `database` may kill or freeze it: it is restored afterwards."""
    image = os.environ.get(POSTGRES_IMAGE_VARIABLE)
    with postgres_of(image) if image else launch_postgres(postgres_binaries) as server:
        yield server


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[Redis]:
    """A synchronous client for what a test sets up and looks at; replies are bytes."""
    with Redis.from_url(redis_server.admin_url) as client:
        yield client


@pytest.fixture
def stream_name(redis_server: RedisServer, redis_client: Redis) -> Iterator[str]:
    """A stream for this test alone; it and all keys whose names begin with it are deleted afterwards."""
    name = f"telemetry:test-{next(_numbers)}"
    yield name
    redis_server.process.restore()
    refused = redis_server.denials.take()
    if keys := list(redis_client.scan_iter(match=f"{name}*", count=1000)):
        redis_client.delete(*keys)
    assert not refused, (
        "a right is missing in deploy/redis/users.acl, or a test intends it: see denials_intended"
    )


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database for this test alone, with the schema in it: `admin_url` for the owner, `processor_url`."""
    name = f"test_{next(_numbers)}"
    yield create_database(postgres_server, name)
    postgres_server.process.restore()
    drop_database(postgres_server, name)
