"""`processor dlq`: look at dead letters, and replay, drop or export them."""

from __future__ import annotations

import click

from processor.cli.dlq.changing import drop, replay
from processor.cli.dlq.exporting import export
from processor.cli.dlq.looking import list_letters, show

_EPILOG = """\
\b
Examples:
  processor dlq list                                  # the newest dead letters, and why they died
  processor dlq list --code refused_by_server --since 2h
  processor dlq show 1777627800000-0                  # one of them whole, and what to do about it
  processor dlq replay --all --dry-run                # what would go back into the stream
  processor dlq replay 1777627800000-0
  processor dlq drop --code bad_json --dry-run        # what would be deleted
  processor dlq export letters.jsonl

An id is the letter's, as `list` shows it. Each command explains itself: processor dlq replay --help."""


@click.group(epilog=_EPILOG)
def dlq() -> None:
    """Look at dead letters, and replay, drop or export them."""


for _command in (list_letters, show, replay, drop, export):
    dlq.add_command(_command)
