"""The options that the commands of `dlq` share: which letters."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from processor.core.attempts import FailureStage
from processor.operating.access import open_stream
from processor.operating.dead_letters.choosing import Filters, letter_id
from telemetry.chassis.cli import MISUSE, MOMENT, Failed, say
from telemetry.chassis.cli.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.operating.access import StreamAccess
    from processor.operating.dead_letters.reading import DeadLetters

    Command: TypeAlias = Callable[..., Any]

ENVIRONMENT: Final = """\
Environment: REDIS_URL or REDIS_URL_FILE, REDIS_TELEMETRY_STREAM, REDIS_DLQ_STREAM"""

_CODES_SHOWN_MAX = 10


class LetterId(click.ParamType[str]):
    """A letter's id, as Redis writes it."""

    name = "id"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Read it; click calls this."""
        found = letter_id(str(value))
        if found is None:
            self.fail(f"{value!r} is not an id; accepted: 1777627800000-0", param, ctx)
        return found


ID: Final = LetterId()

_FILTERS: Final = (
    click.option("--code", "codes", multiple=True, metavar="CODE", help="Why it died; repeatable."),
    click.option(
        "--stage",
        "stages",
        multiple=True,
        type=click.Choice([stage.value for stage in FailureStage]),
        help="Where it failed; repeatable.",
    ),
    click.option(
        "--device",
        "devices",
        multiple=True,
        metavar="IMEI",
        help="The device_id field of the original entry; repeatable.",
    ),
    click.option(
        "--since",
        "since_ms",
        type=MOMENT,
        metavar="TIME",
        help="Dead since then: 2h, 2026-05-01, 2026-05-01T09:30:00Z.",
    ),
    click.option("--until", "until_ms", type=MOMENT, metavar="TIME", help="Dead by then."),
)


def filter_options(command: Command) -> Command:
    """The filters; the command gets them as `filters`."""

    @wraps(command)
    def filtered(  # one for each option
        *args: object,
        codes: tuple[str, ...],
        stages: tuple[str, ...],
        devices: tuple[str, ...],
        since_ms: int | None,
        until_ms: int | None,
        **others: object,
    ) -> object:
        if since_ms is not None and until_ms is not None and since_ms > until_ms:
            raise click.UsageError("--since is later than --until: no letter can fit.")
        filters = Filters(
            codes=_as_bytes(codes),
            stages=_as_bytes(stages),
            devices=_as_bytes(devices),
            since_ms=since_ms,
            until_ms=until_ms,
        )
        return command(*args, filters=filters, **others)

    for option in reversed(_FILTERS):
        filtered = option(filtered)
    return filtered


@dataclass(frozen=True, slots=True)
class Chosen:
    """The letters that a change is about: those with these ids, or those that fit."""

    ids: tuple[str, ...]
    filters: Filters


def choice_options(command: Command) -> Command:
    """Ids, filters or --all; the command gets them as `chosen`."""

    @click.argument("ids", nargs=-1, type=ID, metavar="[ID]...")
    @click.option("--all", "takes_all", is_flag=True, help="Every letter that is there now.")
    @filter_options
    @wraps(command)
    def choosing(
        *args: object, ids: tuple[str, ...], takes_all: bool, filters: Filters, **others: object
    ) -> object:
        ways = [bool(ids), filters.are_set, takes_all]
        if not any(ways):
            raise click.UsageError("Which letters? Name ids, a filter such as --code, or --all.")
        if sum(ways) > 1:
            raise click.UsageError("Ids, filters and --all exclude each other: choose one way.")
        return command(*args, chosen=Chosen(tuple(dict.fromkeys(ids)), filters), **others)

    return choosing


@contextmanager
def dead_letters_opened() -> Iterator[StreamAccess]:
    """The way to Redis. Refused where the dead letters are said to be in the stream itself."""
    with open_stream(os.environ) as access:
        if access.names.dead_letters == access.names.stream:
            raise Failed(
                f"REDIS_DLQ_STREAM and REDIS_TELEMETRY_STREAM both name {access.names.stream}:"
                " its entries are no dead letters",
                MISUSE,
            )
        yield access


def notice_unknown_codes(filters: Filters, letters: DeadLetters) -> None:
    """Say which codes were asked for in vain: a newer version may have them, but it may be a typing error."""
    for code in sorted(each.decode("utf-8", "backslashreplace") for each in filters.codes):
        if code not in letters.codes:
            found = letters.codes.most_common(_CODES_SHOWN_MAX)
            there = ", ".join(f"{name or '(empty)'} {count(number)}" for name, number in found)
            say(f"no dead letter has the code {code!r}; codes that are there: {there or 'none'}")


def _as_bytes(values: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset(each.encode("utf-8", "surrogateescape") for each in values)
