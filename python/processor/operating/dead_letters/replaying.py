"""Replays dead letters: back into the stream, and out of the dead letters, in one step each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from processor.edges.redis.scripts import REPLAY
from processor.operating.dead_letters.changing import ChangeReport, Manner, change_in_batches
from telemetry.chassis.redis.errors import refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.operating.access import StreamAccess


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """What is replayed how."""

    replays_max: int
    """A letter that was replayed so often stays."""
    payload: bytes | None = None
    """Replaces each original `payload`, and is added to a letter without one."""
    dry_run: bool = False


@dataclass(kw_only=True, slots=True)
class ReplayReport(ChangeReport):
    """Also where the letters are now."""

    new_ids: dict[str, str] = field(default_factory=dict)
    """The entry's id in the stream by the letter's; empty in a dry run."""


def replay(
    access: StreamAccess,
    batches: Iterable[Sequence[str]],
    options: ReplayOptions,
    report: ReplayReport,
    manner: Manner,
) -> None:
    """Replay the letters with these ids; the report has what was done, also when this raises.

    Raises RedisRefused when Redis refuses a letter, which stays where it is, as do all behind it.
    """
    change_in_batches(batches, partial(_replay_some, access, options, report), report, manner)


def _replay_some(
    access: StreamAccess, options: ReplayOptions, report: ReplayReport, ids: Sequence[str]
) -> None:
    keys = (access.names.dead_letters, access.names.stream)
    how = (options.replays_max, int(options.dry_run), int(options.payload is not None))
    answers: list[Any] = access.run(REPLAY, keys, *how, options.payload or b"", *ids)
    for letter_id, word, detail in answers:
        if word == b"refused":
            report.unanswered = 0
            raise refusal_of(detail.decode("utf-8", "replace"), where=access.where)
        _take(report, letter_id.decode(), word, detail, options)


def _take(
    report: ReplayReport,
    letter_id: str,
    word: bytes,
    detail: Any,  # noqa: ANN401  # a reply
    options: ReplayOptions,
) -> None:
    if word == b"replayed":
        report.change(letter_id)
        if not options.dry_run:
            report.new_ids[letter_id] = detail.decode()
    elif word == b"missing":
        report.missing(letter_id)
    elif word == b"exhausted":
        times = detail.decode()
        report.skip(
            letter_id, f"replayed {times} times already; --max-replays is {options.replays_max}"
        )
    else:
        report.skip(letter_id, f"has {detail:,} fields, more than Redis copies in one step")
