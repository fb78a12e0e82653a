"""What replaying and dropping print, and the exit codes that their reports give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from telemetry.chassis.cli import INTERRUPTED, print_at_once, print_json, say
from telemetry.chassis.cli.tables import Column, print_table
from telemetry.chassis.cli.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.cli.dlq.carrying_out import Ending
    from processor.operating.dead_letters.changing import ChangeReport
    from processor.operating.dead_letters.replaying import ReplayReport

_ROWS_MAX: Final = 20
_PART_DONE: Final = 1


def exit_code(report: ChangeReport, ending: Ending) -> int:
    """0 if everything that was asked for is done, or would be."""
    if ending.interrupted:
        return INTERRUPTED
    return 0 if report.is_whole and ending.error is None else _PART_DONE


def print_replay(report: ReplayReport, ending: Ending, *, as_json: bool) -> None:
    """The report of a replay."""
    if as_json:
        done = 0 if report.dry_run else len(report.changed)
        shown = {"matched": report.matched, "replayed": done, "skipped": _skipped(report)}
        print_json(shown | {"new_ids": report.new_ids} | _common(report, ending))
        return
    _say_early_end(ending)
    _print_total("replayed", report)
    if report.dry_run:
        _print_rows(
            ("letter",), [(each,) for each in report.changed[:_ROWS_MAX]], len(report.changed)
        )
    else:
        rows = [(each, report.new_ids[each]) for each in report.changed[:_ROWS_MAX]]
        _print_rows(("letter", "new entry"), rows, len(report.changed))
    _print_skipped(report)


def print_drop(report: ChangeReport, ending: Ending, *, as_json: bool) -> None:
    """The report of a drop."""
    if as_json:
        done = 0 if report.dry_run else len(report.changed)
        shown = {"matched": report.matched, "dropped": done, "skipped": _skipped(report)}
        print_json(shown | {"ids": report.changed} | _common(report, ending))
        return
    _say_early_end(ending)
    _print_total("deleted", report)
    _print_rows(("letter",), [(each,) for each in report.changed[:_ROWS_MAX]], len(report.changed))
    _print_skipped(report)


def say_what_would_be_dropped(report: ChangeReport) -> None:
    """On standard error, where a refusal belongs."""
    say(f"{letters_text(len(report.changed))} would be deleted")
    for each in report.changed[:_ROWS_MAX]:
        say(f"  {each}")
    if len(report.changed) > _ROWS_MAX:
        say(f"  and {count(len(report.changed) - _ROWS_MAX)} more")


def _skipped(report: ChangeReport) -> list[dict[str, str]]:
    return [{"id": each.letter_id, "why": each.why} for each in report.skipped]


def _common(report: ChangeReport, ending: Ending) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "interrupted": ending.interrupted,
        "error": ending.error,
    }


def letters_text(number: int) -> str:
    """`1 dead letter`, `1,234 dead letters`."""
    return f"{count(number)} dead letter" + ("" if number == 1 else "s")


def _say_early_end(ending: Ending) -> None:
    if ending.interrupted:
        say("interrupted: this was done before")
    if ending.error is not None:
        say(f"{ending.error}\nthis was done before")


def _print_total(verb: str, report: ChangeReport) -> None:
    would = "would be " if report.dry_run else ""
    skipped = f", {count(len(report.skipped))} skipped" if report.skipped else ""
    print_at_once(f"{letters_text(len(report.changed))} {would}{verb}{skipped}\n")


def _print_skipped(report: ChangeReport) -> None:
    rows = [(each.letter_id, each.why) for each in report.skipped[:_ROWS_MAX]]
    _print_rows(("skipped", "why"), rows, len(report.skipped))


def _print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]], number: int) -> None:
    if number:
        print_at_once("\n")
        print_table([Column(each) for each in headings], rows)
    if number > _ROWS_MAX:
        print_at_once(f"and {count(number - _ROWS_MAX)} more: --json has all\n")
