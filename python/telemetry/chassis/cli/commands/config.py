"""`config`: the settings that `run` would work with here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import json_option, print_at_once, print_json, say
from telemetry.chassis.config.misspelt import misspelt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from telemetry.chassis.config.variables import Effective

_NOT_SET = "not set, required"

_EPILOG = """\
\b
Examples:
  {name} config
  {name} config --json
  {name} config | grep '^[*]'

\b
Environment: all variables of `run`; none is required here
Exit codes: 0 shown, 78 bad configuration: the message is that of `run`"""


def config_command(
    name: str,
    effective: Callable[[Mapping[str, str]], Sequence[Effective]],
    settings: type[DataclassInstance],
    retired: Mapping[str, str] | None = None,
) -> click.Command:
    """The command `config` of a service.

    `effective`: its variables as they are in effect. `retired`: variables that are ignored now, and what does their
    work.
    """

    @click.command(epilog=_EPILOG.format(name=name))
    @json_option
    def config(*, as_json: bool) -> None:
        """Show the settings that are in effect.

        Each variable with its value, its default, and where the value comes from: the environment, the file that its
        _FILE variable names, or the default. An asterisk marks what differs from the default. Passwords are shown as
        ***. A name in the environment that looks like a misspelt variable is named on standard error. No server is
        asked.
        """
        variables = effective(os.environ)
        if as_json:
            print_json({"variables": [asdict(each) for each in variables]})
        else:
            _print_variables(variables)
        for hint in misspelt(os.environ, settings, retired or {}):
            say(f"hint: {hint}")

    return config


def _print_variables(variables: Sequence[Effective]) -> None:
    # Imported late: --json does not need it.
    from telemetry.chassis.cli.tables import Column, print_table  # noqa: PLC0415

    columns = (
        Column(""),
        Column("variable"),
        Column("value", folds=True),
        Column("default", folds=True),
        Column("from"),
    )
    print_table(
        columns,
        (
            (
                "*" if each.value != each.default else "",
                each.name,
                _NOT_SET if each.value is None else each.value,
                each.default or "",
                each.source,
            )
            for each in variables
        ),
    )
    print_at_once("* differs from the default\n")
