"""The command line: help, version, misuse, completion, and what each command is started with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import click
import pytest

from processor import cli
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.config import Config

pytestmark = pytest.mark.usefixtures("signal_mask")

ENVIRONMENT = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgres://u:hush@h/d"}


# `drill` comes from another program, by an entry point.
ALL_COMMANDS = (*cli.COMMANDS, "drill")
HEAVY = {"trio", "redis", "psycopg", "h11", "prometheus_client", "asyncio", "orjson", "rich", "matplotlib"}  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with what is required and nothing else that could matter."""
    for name in os.environ:
        if name.startswith(("REDIS", "POSTGRES", "LOG_", "METRICS")):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def supervise_with(monkeypatch: pytest.MonkeyPatch, run_service: Callable[[Config], int]) -> None:
    """Put a supervisor of the test's own in the place of the real one."""
    module = types.ModuleType("processor.service.process")
    module.__dict__["run_service"] = run_service
    monkeypatch.setitem(sys.modules, "processor.service.process", module)


def test_help_lists_the_commands_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in ALL_COMMANDS)
    assert "Examples:" in shown
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["publish"],
        ["instances"],
        ["status"],
        ["lag"],
        ["top"],
        ["pending"],
        ["consumers"],
        ["consumers", "prune"],
        ["claim"],
        ["device", "show"],
        ["device", "rehydrate"],
        ["log-level"],
        ["dump"],
        ["panic", "show"],
        ["schema", "check"],
        ["schema", "diff"],
        ["config"],
        ["healthcheck"],
        ["drill", "sigterm"],
        ["device"],
        ["schema"],
        ["dlq"],
        *(["dlq", name] for name in ("list", "show", "replay", "drop", "export")),
    ],
    ids=" ".join,
)
def test_each_command_explains_itself_with_examples(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"Usage: processor {' '.join(command)} ")
    assert "Example" in said.out
    assert said.err == ""
    assert [line for line in said.out.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("name", ALL_COMMANDS)
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
    assert capsys.readouterr().out.startswith("processor ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("run", "--fast"),
        ("run", "now"),
        ("--colour",),
        ("panic",),
        ("schema",),
        ("schema", "diff", "env:POSTGRES_URL"),
        ("config", "REDIS_URL"),
        ("device",),
        ("device", "show"),
        ("device", "rehydrate", "7" * 65),
        ("log-level",),
        ("log-level", "loud"),
        ("log-level", "debug", "--for", "0s"),
        ("dump", "everything"),
        ("drill",),
        ("drill", "sigkill"),
        ("drill", "sigterm", "--rounds", "0"),
        ("drill", "sigterm", "--fault", "flood"),
        ("drill", "sigterm", "--container", "a", "--command", "b"),
    ],
)
def test_misuse_ends_with_exit_code_2_and_usage_on_standard_error(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: processor ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("device", "show", "\udcff"),
        ("device", "rehydrate", "\udcff"),
        ("log-level", "info", "--instance", "\udcff"),
        ("dump", "--instance", "\udcff"),
    ],
)
def test_what_is_not_utf_8_cannot_be_asked_for(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, "is not UTF-8" in said.err) == ("", True)


def test_an_interrupt_while_a_command_is_being_loaded_is_one_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.enter()
    assert ended.value.code == 130


def test_a_retired_variable_is_named_in_the_log_and_ignored(
    environment: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("WRITE_LINGER_MS", "not looked at")
    environment.setenv("CONTROL_SOCKET", "")
    supervise_with(environment, lambda _: 0)
    assert cli.main(["run"]) == 0
    [line] = capfd.readouterr().out.splitlines()
    said = "WRITE_LINGER_MS is retired and ignored: READ_INTERVAL_MS does its work"
    assert (json.loads(line)["level"], json.loads(line)["msg"]) == ("warn", said)


def test_a_misspelt_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pubish"]) == 2
    assert "Did you mean 'publish'?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_neither_the_event_loop_nor_a_client_library(option: str) -> None:
    program = (
        "import json, sys\n"
        "from processor.cli import main\n"
        f"assert main([{option!r}]) == 0\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY
    # The commands of the table stay where they are.
    assert not {f"processor.cli.{name}" for name in cli.COMMANDS} & loaded


def completions(words: str) -> list[str]:
    """What a shell offers for the last word."""
    done = subprocess.run(
        [sys.executable, "-m", "processor"],
        env={
            "_PROCESSOR_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("processor ", [*ALL_COMMANDS]),
        ("processor p", ["publish", "pending", "panic"]),
        ("processor panic ", ["show"]),
        ("processor drill sigterm --rou", ["--rounds"]),
        ("processor drill sigterm --fault fr", ["freeze-postgres", "freeze-redis"]),
    ],
)
def test_a_shell_completes_commands_options_and_choices(words: str, offered: list[str]) -> None:
    assert completions(words) == offered


def test_python_dash_m_runs_the_same_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "processor", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Usage: processor run")
    assert "Exit codes:" in done.stdout


def test_run_gives_the_configuration_to_the_supervisor_and_returns_its_exit_code(
    environment: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given: list[Config] = []

    def run_service(config: Config) -> int:
        given.append(config)
        return 3

    environment.setenv("BATCH_SIZE", "7")
    supervise_with(environment, run_service)
    assert cli.main(["run"]) == 3
    assert [config.batch_size for config in given] == [7]
    assert capfd.readouterr().err == ""


def test_run_names_every_bad_variable_on_standard_error_and_ends_with_78(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("BATCH_SIZE", "none")
    environment.setenv("LOG_LEVEL", "loud")
    environment.delenv("REDIS_URL")
    assert cli.main(["run"]) == 78
    complaint = capsys.readouterr().err
    assert complaint.startswith("processor: bad configuration\n")
    assert all(f"  {name}: " in complaint for name in ("REDIS_URL", "LOG_LEVEL", "BATCH_SIZE"))
    assert "hush" not in complaint


def test_run_logs_a_port_in_use_and_ends_with_78(
    environment: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run_service(_: Config) -> int:
        raise ConfigError("METRICS_HOST, METRICS_PORT: cannot listen on h:1: in use")

    supervise_with(environment, run_service)
    assert cli.main(["run"]) == 78
    line = json.loads(capfd.readouterr().out)
    assert (line["level"], line["instance_id"]) == ("fatal", "processor-1")
    assert "METRICS_PORT" in line["msg"]


def test_a_command_is_loaded_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    @click.command()
    @click.argument("file")
    def publish(file: str) -> int:
        ran.append(file)
        return 1

    module = types.ModuleType("processor.cli.publish")
    module.__dict__["publish"] = publish
    monkeypatch.setitem(sys.modules, "processor.cli.publish", module)
    assert cli.main(["publish", "drive.hex"]) == 1
    assert ran == ["drive.hex"]


HOLD = """
import signal, sys
from processor import cli
class Finder:
    def find_spec(self, name, *_):
        if name == "click":
            print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
assert "click" not in sys.modules
sys.meta_path.insert(0, Finder())
cli.enter()
"""


@pytest.mark.parametrize(("command", "is_held"), [("run", "True"), ("publish", "False")])
def test_stop_requests_are_held_back_before_anything_slow_is_loaded(
    command: str, is_held: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOLD, command], env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (78 if command == "run" else 2, [is_held])


ENTER = """
import atexit, sys, types
from processor import cli
service = types.ModuleType("processor.service.process")
service.run_service = lambda config: 3
sys.modules["processor.service.process"] = service
atexit.register(print, "wound up")
print("said")
cli.enter()
"""


@pytest.mark.parametrize(
    ("command", "code", "last_line"), [("run", 3, "said"), ("--version", 0, "wound up")]
)
def test_the_service_ends_without_the_interpreters_windup_and_other_commands_with_it(
    command: str, code: int, last_line: str
) -> None:
    urls = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgres://u@127.0.0.1/d"}
    # A pipe is buffered: what was said must be written out all the same.
    done = subprocess.run(
        [sys.executable, "-c", ENTER, command],
        env=urls,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, last_line)
