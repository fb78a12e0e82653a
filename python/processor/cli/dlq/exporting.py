"""`processor dlq export`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from processor.cli.dlq.options import (
    ENVIRONMENT,
    dead_letters_opened,
    filter_options,
    notice_unknown_codes,
)
from processor.cli.dlq.reports import letters_text
from processor.operating.dead_letters.exporting import line_of, whole_file
from processor.operating.dead_letters.reading import DeadLetters
from telemetry.chassis.cli import MISUSE, Failed, discard_standard_output, say
from telemetry.chassis.cli.tables import progress
from telemetry.chassis.errors import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.operating.dead_letters.choosing import Filters

_STANDARD_OUTPUT: Final = "-"
_PART_DONE: Final = 1
# Often enough for a bar that moves.
_PROGRESS_EVERY: Final = 256


@click.command(
    epilog=f"""\
\b
Examples:
  processor dlq export letters.jsonl
  processor dlq export --overwrite letters.jsonl
  processor dlq export --code bad_json | jq -r .fields.payload
  processor dlq export --since 2h | gzip > letters.jsonl.gz

{ENVIRONMENT}

Exit codes: 0 exported, also without a letter, 1 Redis went away after a part was written to standard output, 2 wrong
arguments or a file that is there already, 4 Redis is away or refuses, 78 bad configuration, 130 interrupted"""
)
@filter_options
@click.argument(
    "file",
    default=_STANDARD_OUTPUT,
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="[FILE]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    help="Changes nothing: it is always JSON, one object a line.",
)
def export(*, filters: Filters, file: str, overwrite: bool) -> int:
    """Write dead letters as JSON lines, the oldest first, each as `dlq show --json` has it.

    A value that is not UTF-8 is written as {"base64": ...}. FILE gets its name when it is whole; without it, or with -,
    the lines go to standard output.
    """
    written = 0
    try:
        with dead_letters_opened() as access, _output(file, overwrites=overwrite) as output:
            letters = DeadLetters(access, filters)
            with progress("exporting dead letters", letters.total) as advance:
                for letter in letters:
                    output.write(line_of(letter))
                    written += 1
                    if letters.seen % _PROGRESS_EVERY == 0:
                        advance(letters.seen)
                output.flush()
            notice_unknown_codes(filters, letters)
    except RedisError as error:
        if file != _STANDARD_OUTPUT or not written:
            raise
        say(f"{error}\nthe export ends before its end")
        return _PART_DONE
    except BrokenPipeError:
        # The reader has seen enough, as `head` does.
        discard_standard_output()
        return 0
    except FileExistsError as error:
        raise Failed(
            f"{file} is there already: name another file, or add --overwrite", MISUSE
        ) from error
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}", MISUSE) from error
    say(f"{letters_text(written)} exported")
    return 0


@contextmanager
def _output(file: str, *, overwrites: bool) -> Iterator[IO[str]]:
    path = Path(file)
    if file == _STANDARD_OUTPUT:
        yield sys.stdout
    elif path.exists() and not path.is_file():
        # A pipe or a device is written into, and never replaced.
        with path.open("w", encoding="utf-8") as output:
            yield output
    else:
        with whole_file(path, overwrites=overwrites) as output:
            yield output
