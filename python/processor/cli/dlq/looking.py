"""`processor dlq list` and `processor dlq show`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from processor.cli.dlq.options import (
    ENVIRONMENT,
    ID,
    dead_letters_opened,
    filter_options,
    notice_unknown_codes,
)
from processor.cli.dlq.rendering import as_page
from processor.cli.dlq.reports import letters_text
from processor.operating.dead_letters.letters import summary, whole
from processor.operating.dead_letters.reading import DeadLetters, read_letter
from telemetry.chassis import clocks
from telemetry.chassis.cli import (
    Failed,
    discard_standard_output,
    json_option,
    print_at_once,
    print_json,
)
from telemetry.chassis.cli.tables import Column, print_table, progress, right
from telemetry.chassis.cli.words import UNKNOWN, age, count
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from processor.operating.dead_letters.choosing import Filters
    from processor.operating.dead_letters.letters import Letter

_LIMIT_DEFAULT = 100
_EXIT_NOT_THERE = 1
# With columns of this width, the id's 20 and the rest, a row has 98.
_COLUMN_MAX = 17
_CODE_MAX = 40
# Often enough for a bar that moves.
_PROGRESS_EVERY = 256


@click.command(
    "list",
    epilog=f"""\
\b
Examples:
  processor dlq list                                           # the newest {_LIMIT_DEFAULT}
  processor dlq list --since 2h --limit 10
  processor dlq list --code bad_json --device 356307042441013
  processor dlq list --stage write --since 2026-05-01 --until 2026-05-02
  processor dlq list --json | jq -r '.letters[].id'

{ENVIRONMENT}

Exit codes: 0 listed, also without a letter, 2 wrong arguments, 4 Redis is away or refuses, 78 bad configuration""",
)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_LIMIT_DEFAULT,
    metavar="N",
    help="Show so many at most; all are counted.",
)
@json_option
def list_letters(*, filters: Filters, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    with dead_letters_opened() as access:
        letters = DeadLetters(access, filters, newest_first=True)
        shown, found = _first_of(letters, limit, counts_all=filters.are_set)
        notice_unknown_codes(filters, letters)
        where = access.names.dead_letters
    if as_json:
        print_json({"count": found, "letters": [summary(letter) for letter in shown]})
    else:
        _print_letters(shown, found, where)


def _first_of(letters: DeadLetters, limit: int, *, counts_all: bool) -> tuple[list[Letter], int]:
    """The first letters, and how many there are; without a filter Redis knows that."""
    shown: list[Letter] = []
    found = 0
    with progress("looking at dead letters", letters.total) as advance:
        for letter in letters:
            if found < limit:
                shown.append(letter)
            elif not counts_all:
                break
            found += 1
            if letters.seen % _PROGRESS_EVERY == 0:
                advance(letters.seen)
    return shown, found if counts_all else max(found, letters.total)


def _print_letters(shown: list[Letter], found: int, where: str) -> None:
    if shown:
        now_ms = clocks.unix_ms()
        columns = (
            *map(Column, ("id", "died")),
            right("age"),
            *map(Column, ("code", "device")),
            right("replays"),
        )
        print_table(columns, [_row(letter, now_ms) for letter in shown])
        print_at_once("\n")
        print_table(
            (Column("code"), right("shown"), Column("newest error", folds=True)), _reasons(shown)
        )
        print_at_once("\n")
    more = f", the newest {count(len(shown))} shown" if found > len(shown) else ""
    print_at_once(f"{letters_text(found)} in {where}{more}\n")


def _row(letter: Letter, now_ms: int) -> tuple[str, ...]:
    dead_at_ms = letter.dead_at_ms
    device_id = letter.field(b"device_id") or b""
    return (
        letter.letter_id,
        _short(letter.text("dead_at")) if dead_at_ms is None else _seconds(dead_at_ms),
        age(None if dead_at_ms is None else (now_ms - dead_at_ms) / 1_000),
        _short(letter.text("code")),
        _short(device_id.decode("utf-8", "backslashreplace")),
        count(letter.count("replays")),
    )


def _short(text: str) -> str:
    """As much as a column has room for: `show` has it whole."""
    if len(text) > _COLUMN_MAX:
        return text[: _COLUMN_MAX - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text or UNKNOWN


def _seconds(unix_ms: int) -> str:
    """A time without its milliseconds, for which a row has no room."""
    return f"{iso_of_unix_ms(unix_ms)[:19]}Z"


def _reasons(shown: list[Letter]) -> list[tuple[str, str, str]]:
    """Each code with its SQLSTATE, the most frequent first, and the error of its newest letter."""
    errors: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for letter in shown:
        code = " ".join(filter(None, (letter.text("code"), letter.text("sqlstate"))))
        errors.setdefault(code, letter.text("error"))
        numbers[code] += 1
    return [
        (code[:_CODE_MAX] or UNKNOWN, count(number), errors[code])
        for code, number in numbers.most_common()
    ]


@click.command(
    epilog=f"""\
\b
Examples:
  processor dlq show 1777627800000-0
  processor dlq show --json 1777627800000-0 | jq .dead_letter
  processor dlq show --payload 1777627800000-0 > payload.json   # to mend it

{ENVIRONMENT}

Exit codes: 0 shown, 1 there is no such letter, or it has no payload, 2 wrong arguments, 4 Redis is away or refuses, 78
bad configuration"""
)
@click.argument("letter_id", type=ID, metavar="ID")
@click.option(
    "--payload",
    "only_payload",
    is_flag=True,
    help="Print the payload alone, its bytes as they are.",
)
@json_option
def show(*, letter_id: str, only_payload: bool, as_json: bool) -> None:
    """Show one dead letter whole, and what to do about it."""
    if only_payload and as_json:
        raise click.UsageError("--payload and --json exclude each other.")
    with dead_letters_opened() as access:
        letter = read_letter(access, letter_id)
        where = access.names.dead_letters
    if letter is None:
        if as_json:
            print_json({"id": letter_id, "fields": None, "dead_letter": None})
        raise Failed(f"{where} has no letter {letter_id}", _EXIT_NOT_THERE)
    if only_payload:
        _print_payload(letter)
    elif as_json:
        print_json(whole(letter))
    else:
        print_at_once(as_page(letter, clocks.unix_ms()))


def _print_payload(letter: Letter) -> None:
    payload = letter.field(b"payload")
    if payload is None:
        raise Failed(f"letter {letter.letter_id} has no payload", _EXIT_NOT_THERE)
    try:
        sys.stdout.buffer.write(payload)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_standard_output()
