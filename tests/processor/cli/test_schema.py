"""`processor schema` on real servers, as a person and as a script use it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dev.schema import create_database, drop_database
from processor.cli import main
from tests.support.operators import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database, PostgresServer


class Shell:
    """Runs `processor schema` with an environment of the test's own, and remembers all that was written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.written = ""

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def unset(self, name: str) -> None:
        """Remove a variable."""
        self._monkeypatch.delenv(name)

    def run(self, *arguments: str) -> Ended:
        """Run one command."""
        code = main(["schema", *arguments])
        ended = Ended(code, *self._capsys.readouterr())
        self.written += ended.out + ended.err
        return ended


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database: Database,
    postgres_server: PostgresServer,
) -> Iterator[Shell]:
    """POSTGRES_URL is the role's, OWNER_URL the owner's; no password is ever written."""
    shell = Shell(monkeypatch, capsys)
    shell.set(POSTGRES_URL=database.processor_url, OWNER_URL=database.admin_url)
    yield shell
    for password in (postgres_server.processor_password, postgres_server.admin_password):
        assert password not in shell.written


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of the owner of the schema; every statement is committed by itself."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def other(postgres_server: PostgresServer) -> Iterator[Database]:
    """A second database with the same schema."""
    name = "test_telemetry"
    yield create_database(postgres_server, name)
    drop_database(postgres_server, name)


def test_a_table_that_is_as_it_should_be_ends_with_0(shell: Shell) -> None:
    ended = shell.run("check", "--json")
    assert ended.code == 0
    found = ended.json
    assert (found["ok"], found["differences"], found["warnings"]) == (True, [], [])
    assert found["role"] == "processor"
    ended = shell.run("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("The table is as it should be: database test_")


def test_what_differs_ends_with_5_and_says_what_to_do(
    shell: Shell, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("ALTER TABLE positions DROP COLUMN codec")
    owner.execute("DROP INDEX positions_ts; REVOKE INSERT ON positions FROM processor")
    ended = shell.run("check", "--json")
    assert ended.code == 5
    found = ended.json
    assert found["ok"] is False
    assert found["differences"] == [
        "column codec (text) is missing",
        "privilege INSERT on table public.positions is missing",
    ]
    assert [line.split()[1] for line in found["warnings"]] == ["positions_ts"]
    ended = shell.run("check")
    assert ended.code == 5
    assert "  column codec (text) is missing\n" in ended.out
    assert "  warning: index positions_ts" in ended.out
    assert "deploy/postgres/grants.sql" in ended.out


def test_a_warning_alone_ends_with_0(shell: Shell, owner: psycopg.Connection[Any]) -> None:
    owner.execute("DROP INDEX positions_ts")
    ended = shell.run("check", "--json")
    assert (ended.code, ended.json["ok"]) == (0, True)
    assert len(ended.json["warnings"]) == 1


def test_the_check_needs_no_redis_and_reads_a_file(
    shell: Shell, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    (tmp_path / "url").write_text(database.processor_url)
    shell.unset("POSTGRES_URL")
    shell.set(POSTGRES_URL_FILE=str(tmp_path / "url"))
    assert shell.run("check", "--json").code == 0


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("", 78, "POSTGRES_URL: is not set; it is required"),
        ("mysql://u:hush-4711@db/x", 78, "POSTGRES_URL: "),
        ("postgres://u:hush-4711@127.0.0.1:1/x", 4, "127.0.0.1:1: "),
    ],
)
def test_without_a_server_or_a_url_standard_output_is_empty(
    shell: Shell, url: str, code: int, said: str
) -> None:
    shell.set(POSTGRES_URL=url)
    ended = shell.run("check", "--json")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "hush-4711" not in ended.err


def test_equal_tables_end_with_0(shell: Shell, other: Database) -> None:
    shell.set(OTHER_URL=other.processor_url)
    ended = shell.run("diff", "--json", "env:OWNER_URL", "env:OTHER_URL")
    assert ended.code == 0
    found = ended.json
    assert (found["equal"], found["differences"], found["warnings"]) == (True, [], [])
    assert (found["a"]["database"], found["b"]["database"]) != ("", "test_telemetry")
    ended = shell.run("diff", "env:OWNER_URL", "env:OTHER_URL")
    assert ended.code == 0
    assert ended.out.endswith("The tables are equal.\n")


def test_tables_that_differ_end_with_1_and_each_object_is_shown(
    shell: Shell, other: Database, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("ALTER TABLE positions ALTER speed TYPE float8, ADD note text")
    owner.execute("REVOKE INSERT ON positions FROM processor")
    shell.set(OTHER_URL=other.processor_url)
    ended = shell.run("diff", "--json", "env:POSTGRES_URL", "env:OTHER_URL")
    assert ended.code == 1
    found = ended.json
    assert found["equal"] is False
    assert found["differences"] == [
        {"object": "column speed", "a": "double precision NOT NULL", "b": "real NOT NULL"},
        {"object": "column note", "a": "text", "b": None},
    ]
    assert found["warnings"] == ["role processor has no INSERT in A"]
    ended = shell.run("diff", "env:POSTGRES_URL", "env:OTHER_URL")
    assert ended.code == 1
    assert re.search(r"^column note +text +absent *$", ended.out, re.MULTILINE)
    assert max(map(len, ended.out.splitlines())) <= 100


def test_a_table_that_one_side_lacks_is_a_difference(
    shell: Shell, other: Database, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("DROP TABLE positions")
    shell.set(OTHER_URL=other.processor_url)
    ended = shell.run("diff", "--json", "env:OWNER_URL", "env:OTHER_URL")
    assert ended.code == 1
    [difference] = ended.json["differences"]
    assert (difference["object"], difference["a"]) == ("table", None)
    assert ended.json["warnings"][0] == "the table belongs to nobody in A, to directus in B"


def test_two_databases_without_the_table_are_not_called_equal(
    shell: Shell, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("DROP TABLE positions")
    ended = shell.run("diff", "--json", "env:OWNER_URL", "env:OWNER_URL")
    assert ended.code == 5
    assert (ended.json["equal"], ended.json["differences"]) == (False, [])
    assert "neither database has the table public.positions" in ended.err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_password_in_an_argument_ends_with_2_and_is_not_repeated(
    shell: Shell, database: Database, place: int
) -> None:
    databases = ["env:OWNER_URL", "env:OWNER_URL"]
    databases[place:place] = [database.admin_url]
    for given in (databases[:2], databases, [database.admin_url]):
        ended = shell.run("diff", "--json", *given)
        if database.admin_url in given:
            assert (ended.code, ended.out) == (2, "")
            assert ended.err


def test_a_side_that_is_away_ends_with_4_and_is_named(shell: Shell) -> None:
    shell.set(AWAY="postgres://u:hush-4711@127.0.0.1:1/x")
    for sides in (("env:OWNER_URL", "env:AWAY"), ("env:AWAY", "env:AWAY")):
        ended = shell.run("diff", "--json", *sides)
        assert (ended.code, ended.out) == (4, "")
        assert ended.err.startswith("processor schema: 127.0.0.1:1: ")
        assert "hush-4711" not in ended.err


@pytest.mark.parametrize("arguments", [(), ("env:OWNER_URL",), ("env:OWNER_URL",) * 3])
def test_another_number_of_databases_is_misuse(shell: Shell, arguments: tuple[str, ...]) -> None:
    ended = shell.run("diff", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert f"{len(arguments)} are given" in ended.err


@pytest.mark.parametrize("command", [("check",), ("diff", "env:POSTGRES_URL", "env:POSTGRES_URL")])
def test_an_interrupted_command_ends_with_130(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"postgres://processor@127.0.0.1:{silent.getsockname()[1]}/x"
        with (
            subprocess.Popen(
                [sys.executable, "-m", "processor", "schema", *command],
                env={**os.environ, "POSTGRES_URL": url},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as started,
            silent.accept()[0],
        ):
            started.send_signal(signal.SIGINT)
            out, err = started.communicate(timeout=30)
    assert (started.returncode, out) == (130, "")
    assert "Traceback" not in err


def examples(command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of a command's help that begin with the program."""
    assert main(["schema", command, "--help"]) == 0
    return re.findall(r"^ +(processor schema .+)$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("command", ["check", "diff"])
def test_the_examples_run_as_they_stand(
    command: str,
    database: Database,
    postgres_server: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = create_database(postgres_server, "telemetry")
    (tmp_path / "old_url").write_text(database.admin_url)
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "POSTGRES_URL": telemetry.processor_url,
        "OLD_POSTGRES_URL": database.admin_url,
        "PGPORT": str(postgres_server.port),
        "PGPASSWORD": postgres_server.admin_password,
    }
    lines = examples(command, capsys)
    assert len(lines) >= 2
    try:
        for line in lines:
            done = subprocess.run(
                ["bash", "-c", line], env=environ, cwd=tmp_path, capture_output=True, check=False
            )
            assert (line, done.returncode, done.stderr) == (line, 0, b"")
    finally:
        drop_database(postgres_server, "telemetry")
    assert json.loads((tmp_path / f"{command}.json").read_text())
