"""A service's command line: commands that load when they are asked for, and one door.

The door is `run_program`: it alone turns errors into exit codes, as contract sections 8 and 10 have them.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import click

from telemetry.chassis.cli.output import say
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.tls_advice import tls_advice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.metadata import EntryPoints

MISUSE = 2
"""Exit code: the command line is wrong. The same as click's."""
INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells have it. Click's own would be 1."""

_CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "show_default": True,
}


class Failed(click.ClickException):
    """A command ends with this exit code; the message goes to standard error behind the command's name."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class LazyCommand(click.Command):
    """Stands for a command that is imported when it runs; until then its summary is known, and no more."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name, short_help=summary)
        self._target = target

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """The context of the real command: click runs, explains and completes what is in there."""
        module, _, attribute = self._target.partition(":")
        command = cast("click.Command", getattr(importlib.import_module(module), attribute))
        return command.make_context(info_name, args, parent, **extra)


class Program(click.Group):
    """A service's command line.

    `commands` gives each command as (`module:attribute`, summary). Other programs add theirs to the entry point
    group `added_in`: their modules are imported when the command or the list of commands is asked for.
    """

    def __init__(
        self,
        name: str,
        commands: Mapping[str, tuple[str, str]],
        *,
        added_in: str,
        help: str | None = None,  # noqa: A002  # as click names it
        epilog: str | None = None,
    ) -> None:
        super().__init__(
            name,
            {key: LazyCommand(key, *value) for key, value in commands.items()},
            context_settings=_CONTEXT,
            help=help,
            epilog=epilog,
        )
        self._added_in = added_in
        # The text that click would make of it beforehand costs as much as all the rest.
        click.version_option(package_name="processor", message="%(prog)s %(version)s")(self)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Its own commands in the table's order, then the added ones."""
        return [*self.commands, *sorted(each.name for each in self._added)]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        found = [each for each in self._added if each.name == cmd_name]
        return cast("click.Command", found[0].load()) if found else None

    @cached_property
    def _added(self) -> EntryPoints:
        # Imported late: it takes longer than everything else here.
        from importlib.metadata import entry_points  # noqa: PLC0415

        return entry_points(group=self._added_in)


def run_program(program: Program, arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, and return the exit code."""
    try:
        # A callback returns its exit code, or None for 0.
        return program.main([*arguments], prog_name=program.name, standalone_mode=False) or 0
    except Failed as error:
        return _failed(program, arguments, error.message, error.code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except ConfigError as error:
        return _failed(program, arguments, str(error), ExitCode.BAD_CONFIGURATION)
    except EdgeError as error:
        advice = tls_advice(str(error))
        message = str(error) if not advice or advice in str(error) else f"{error}; {advice}"
        return _failed(program, arguments, message, ExitCode.UNREACHABLE)


def _failed(program: Program, arguments: Sequence[str], message: str, code: int) -> int:
    say(f"{program.name} {arguments[0]}: {message}")
    return code
