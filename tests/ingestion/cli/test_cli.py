"""The command line of tcp-ingestion: help, summaries, completion, misuse, and what each command loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from ingestion import cli
from ingestion.config import Config, load_config

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("signal_mask")

HEAVY = {"trio", "redis", "h11", "prometheus_client", "orjson", "rich", "psycopg", "processor"}
SECRET = "hush"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the URL and nothing else that could matter."""
    for each in fields(Config):
        for suffix in ("", "_FILE"):
            monkeypatch.delenv(each.name.upper() + suffix, raising=False)
    monkeypatch.setenv("REDIS_URL", f"redis://operator:{SECRET}@127.0.0.1/0")
    return monkeypatch


def test_help_lists_the_commands_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)
    assert "Examples:" in shown
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [[name] for name in cli.COMMANDS if name != "panic"] + [["panic", "show"]],
    ids=" ".join,
)
def test_each_command_explains_itself_with_examples_and_exit_codes(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"Usage: tcp-ingestion {' '.join(command)} ")
    assert "Example" in said.out
    assert "Exit codes:" in said.out
    assert "processor" not in said.out
    assert said.err == ""
    assert [line for line in said.out.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_and_the_command_itself_give_the_same_summary(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--help"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert cli.main([name, "--help"]) == 0
    summary = capsys.readouterr().out.split("\n\n")[1]
    assert f" {name} {' '.join(summary.split())} " in listed


def test_version_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tcp-ingestion ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("run", "now"),
        ("devices", "356307042441013"),
        ("watch",),
        ("watch", "35630704244101"),
        ("watch", "35630704244101x"),
        ("watch", "356307042441013", "--for", "0s"),
        ("watch", "356307042441013", "--for", "long"),
        ("log-level", "loud"),
        ("dump", "everything"),
        ("panic",),
    ],
)
def test_misuse_ends_with_exit_code_2_and_usage_on_standard_error(
    environment: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: tcp-ingestion ")


@pytest.mark.parametrize("name", ["devices", "instances", "dump"])
def test_a_command_that_needs_redis_says_that_its_url_is_missing(
    environment: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("REDIS_URL")
    assert cli.main([name]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert "REDIS_URL: is not set; it is required" in said.err


@pytest.mark.parametrize("arguments", [["devices"], ["watch", "356307042441013"], ["instances"]])
def test_redis_away_is_4(
    environment: pytest.MonkeyPatch, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("REDIS_URL", f"redis://operator:{SECRET}@127.0.0.1:1/0")
    assert cli.main(arguments) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "127.0.0.1:1" in said.err
    assert SECRET not in said.err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_neither_the_event_loop_nor_a_client_library(option: str) -> None:
    program = (
        "import json, sys\n"
        "from ingestion.cli import main\n"
        f"assert main([{option!r}]) == 0\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY


def test_a_shell_completes_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestion"],
        env={
            "_TCP_INGESTION_COMPLETE": "bash_complete",
            "COMP_WORDS": "tcp-ingestion d",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    offered = [line.partition(",")[2] for line in done.stdout.splitlines()]
    assert {"devices", "dump"} <= {*offered}
    assert all(each.startswith("d") for each in offered)


def test_config_shows_every_variable_and_no_secret(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment.setenv("METRICS_PROT", "1")
    assert cli.main(["config", "--json"]) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out
    variables = {each["name"]: each for each in json.loads(said.out)["variables"]}
    assert [*variables] == [each.name.upper() for each in fields(Config)]
    assert variables["REDIS_URL"]["value"] == "redis://operator:***@127.0.0.1/0"
    assert said.err == "hint: METRICS_PROT is no variable of the service: is METRICS_PORT meant?\n"
    environment.delenv("METRICS_PROT")

    environment.setenv("PANIC_DUMP_DIR", str(tmp_path))
    assert cli.main(["config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = {line.split()[1] for line in lines if re.match(r"\* +[A-Z]", line)}
    assert {"REDIS_URL", "PANIC_DUMP_DIR"} == marked
    assert max(map(len, lines)) <= 100


def test_the_health_check_asks_the_port_that_the_configuration_has_by_default(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = load_config({"REDIS_URL": "redis://127.0.0.1"}).metrics_port
    environment.setenv("METRICS_HOST", "127.0.0.256")
    assert cli.main(["healthcheck"]) == 1
    assert f"METRICS_PORT={port}:" in capsys.readouterr().err
