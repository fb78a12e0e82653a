"""The door of a command line: exit codes, messages, and commands that other programs add."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING, NoReturn

import click
import pytest

from telemetry.chassis.cli import Failed, Program, print_at_once, run_program
from telemetry.chassis.errors import ConfigError, EdgeError, RedisRefused, RedisUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable


class Reached(Exception):
    """A mistake in a program: no error that the door knows."""


def program(callback: Callable[[], object]) -> Program:
    """A program with one command of its own."""
    made = Program("fleet", {}, added_in="fleet.commands")
    made.add_command(click.Command("count", callback=callback))
    return made


def fails_with(error: BaseException) -> Program:
    """One whose command raises."""

    def fail() -> NoReturn:
        raise error

    return program(fail)


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (78, 78)])
def test_a_commands_result_is_the_exit_code(result: int | None, code: int) -> None:
    assert run_program(program(lambda: result), ["count"]) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("REDIS_URL is not set"), 78, "fleet count: REDIS_URL is not set\n"),
        (EdgeError("refused", where="h:1"), 4, "fleet count: h:1: refused\n"),
        (RedisUnavailable("away", where="h:1"), 4, "fleet count: h:1: away\n"),
        (RedisRefused("no", where="h:1", code="NOAUTH"), 4, "fleet count: h:1: no\n"),
        (Failed("nothing to change", 1), 1, "fleet count: nothing to change\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_errors_become_exit_codes_and_one_line_on_standard_error(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(fails_with(error), ["count"]) == code
    assert tuple(capsys.readouterr()) == ("", said)


def test_misuse_that_a_command_finds_is_shown_with_its_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_program(fails_with(click.UsageError("not both")), ["count"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Error: not both" in said.err


def test_an_error_that_nobody_expects_is_not_hidden() -> None:
    with pytest.raises(Reached):
        run_program(fails_with(Reached()), ["count"])


def test_a_command_of_the_table_is_loaded_when_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    made = Program(
        "fleet",
        {"gone": ("no.such.module:gone", "Is listed all the same.")},
        added_in="fleet.commands",
    )
    assert run_program(made, ["--help"]) == 0
    assert "gone  Is listed all the same." in capsys.readouterr().out
    with pytest.raises(ModuleNotFoundError):
        run_program(made, ["gone"])


@click.command()
def count() -> int:
    """Count the fleet."""
    return 7


def test_an_entry_point_adds_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = EntryPoints([EntryPoint("count", f"{__name__}:count", "fleet.commands"),
                             EntryPoint("count", "no.such.module:count", "others.commands")])  # fmt: skip
    monkeypatch.setattr("importlib.metadata.entry_points", installed.select)
    made = Program("fleet", {}, added_in="fleet.commands")
    assert run_program(made, ["count"]) == 7
    assert run_program(made, ["--help"]) == 0
    assert "count  Count the fleet." in capsys.readouterr().out


def test_a_reader_that_went_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = f"from {print_at_once.__module__} import print_at_once as p; p('a'); p('b')"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
