"""The screen of `processor top`: what fits, from 80 columns and 24 lines on."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from processor.core.lag import LAG_MAX
from telemetry.chassis.cli.sparkline import sparkline
from telemetry.chassis.cli.tables import printable
from telemetry.chassis.cli.words import UNKNOWN, age, count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from processor.operating.access import StreamAccess
    from processor.operating.top.history import View
    from processor.operating.top.rates import Rates

LABEL_COLUMNS: Final = 14
VALUE_COLUMNS: Final = 16
# Lines of everything but the two tables.
FIXED_LINES: Final = 13
# A table has a heading and a line that says how many more there are.
TABLE_LINES: Final = 2

_RATES: Final[tuple[tuple[str, Callable[[Rates], float | None]], ...]] = (
    ("published", lambda each: each.published),
    ("read", lambda each: each.read),
    ("inserted", lambda each: each.inserted),
    ("duplicates", lambda each: each.duplicates),
    ("failed", lambda each: each.failed),
)


def screen(view: View, access: StreamAccess, *, width: int, height: int) -> RenderableType:
    """Everything, cut to `width` columns and `height` lines."""
    room = max(0, height - FIXED_LINES - 2 * TABLE_LINES)
    instances = min(len(view.sample.working), max(1, room // 2))
    consumers = max(1, room - instances)
    lines: list[RenderableType] = [
        _title(access, width),
        _error(view),
        *(_rate(label, view.rates, of, width) for label, of in _RATES),
        _write_time(view.rates, width),
        _lag(view, width),
        _pending(view),
        _dead_letters(view),
        Text(),
    ]
    if view.sample.working:
        lines += [_instances(view, instances), Text()]
    lines.append(_consumers(view, consumers))
    return Group(*lines)


def _title(access: StreamAccess, width: int) -> Text:
    names = access.names
    left = printable(f"{names.stream} · {names.group} · {access.where}")
    right = f"{datetime.now().astimezone():%H:%M:%S}  q ends it"
    left = left[: max(0, width - len(right) - 2)]
    return Text(left.ljust(width - len(right)) + right, style="reverse", no_wrap=True)


def _error(view: View) -> Text:
    if view.error is not None:
        return _line(f"no answer: Redis at {view.error}", "bold red")
    queue = view.sample.queue
    if not queue.stream_exists:
        return _line("the stream does not exist", "bold red")
    if not queue.group_exists:
        return _line("the group does not exist", "bold red")
    if not view.sample.working:
        return _line("no instance answers", "bold red")
    return Text()


def _line(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def _row(label: str, value: str, rest: str = "") -> Text:
    text = Text(no_wrap=True, overflow="crop")
    text.append(label.ljust(LABEL_COLUMNS), "bold")
    text.append(value.rjust(VALUE_COLUMNS) + "  ")
    text.append(rest, "cyan")
    return text


def _rest(width: int) -> int:
    return max(0, width - LABEL_COLUMNS - VALUE_COLUMNS - 2)


def _rate(
    label: str, rates: Sequence[Rates], of: Callable[[Rates], float | None], width: int
) -> Text:
    values = [of(each) for each in rates]
    last = values[-1] if values else None
    shown = UNKNOWN if last is None else f"{last:,.0f} /s"
    return _row(label, shown, sparkline(values, _rest(width)))


def _write_time(rates: Sequence[Rates], width: int) -> Text:
    means = [each.write_mean_s for each in rates]
    # Between two writes the last one is still the best answer.
    last = next((each for each in reversed(rates) if each.writes), None)
    if last is None or last.write_mean_s is None or last.write_p99_s is None:
        return _row("write", UNKNOWN)
    bound = "over 10 s" if math.isinf(last.write_p99_s) else f"≤ {age(last.write_p99_s)}"
    value = f"{age(last.write_mean_s)}"
    return _row("write", value, f"99 % {bound}  " + sparkline(means, _rest(width) - 18))


def _lag(view: View, width: int) -> Text:
    queue = view.sample.queue
    over = queue.group_exists and queue.lag is None
    value = f"over {LAG_MAX:,}" if over else count(queue.lag)
    return _row("lag", value, sparkline(view.lags, _rest(width)))


def _pending(view: View) -> Text:
    queue = view.sample.queue
    oldest, last = age(queue.oldest_pending_age_s), age(queue.last_entry_age_s)
    rest = f"oldest published {oldest} ago, last entry {last} ago"
    return _row("pending", count(queue.pending), rest)


def _dead_letters(view: View) -> Text:
    codes = view.sample.dead_letters_by_code.items()
    rest = ", ".join(f"{printable(code)} {count(number)}" for code, number in codes)
    return _row("dead letters", count(view.sample.dead_letters), rest)


def _instances(view: View, lines: int) -> Table:
    table = _table("INSTANCE", "PHASE", "IN FLIGHT", "READ", "ACKED", "WHERE")
    working = sorted(view.sample.working, key=lambda each: each.instance.instance_id)
    for each in working[:lines]:
        found, counters = each.instance, each.counters
        table.add_row(
            *map(
                printable,
                (
                    found.instance_id,
                    found.phase,
                    count(found.in_flight),
                    count(None if counters is None else counters.records_read),
                    count(None if counters is None else counters.acks),
                    f"{found.host} pid {found.pid}",
                ),
            )
        )
    return _with_more(table, len(working) - lines)


def _consumers(view: View, lines: int) -> Table:
    table = _table("CONSUMER", "PENDING", "IDLE", "LIVE")
    # Those with the most pending entries are what one looks for.
    consumers = sorted(view.sample.consumers, key=lambda each: (-each.pending, each.name))
    for each in consumers[:lines]:
        idle, live = age(each.idle_ms / 1_000), "yes" if each.live else "no"
        table.add_row(printable(each.name), count(each.pending), idle, live)
    return _with_more(table, len(consumers) - lines)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        is_number = heading in {"IN FLIGHT", "READ", "ACKED", "PENDING", "IDLE"}
        table.add_column(
            heading, justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis"
        )
    return table


def _with_more(table: Table, more: int) -> Table:
    if more > 0:
        table.add_row(f"and {more} more")
    return table
