"""`processor config`: the settings that `run` would work with here."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from processor.config import effective_config
from telemetry.chassis.cli import json_option, print_at_once, print_json, say

_NOT_SET = "not set, required"


@click.command(
    epilog="""\
\b
Examples:
  processor config
  processor config --json
  processor config | grep '^[*]'

\b
Environment: all variables of `run`; none is required here
Exit codes: 0 shown, 78 bad configuration: the message is that of `run`"""
)
@json_option
def config(*, as_json: bool) -> None:
    """Show the settings that are in effect.

    Each variable with its value, its default, and where the value comes from: the environment, the file that its _FILE
    variable names, or the default. An asterisk marks what differs from the default. Passwords are shown as ***. A name
    in the environment that looks like a misspelt variable is named on standard error. No server is asked.
    """
    variables = effective_config(os.environ)
    if as_json:
        print_json({"variables": [asdict(each) for each in variables]})
    else:
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
    from processor.operating.misspelt import misspelt  # noqa: PLC0415

    for hint in misspelt(os.environ):
        say(f"hint: {hint}")
