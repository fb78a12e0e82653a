"""Report: the outcome of a drill of the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drills.judgement import nearest_rank
from drills.result import Result, Series, rounded, times

if TYPE_CHECKING:
    from drills.processor.judgement import FinalState
    from drills.processor.timeline import Sample

_SERIES = ("published", "read", "acked", "released")


@dataclass(frozen=True, kw_only=True)
class ProcessorResult(Result):
    """What the stream and the table held in the end, and what happened to entries on the way."""

    ending: FinalState
    samples: tuple[Sample, ...]

    @property
    def takeovers_ms(self) -> list[float]:
        """How long released entries waited for an instance that was ready."""
        lives = (*self.lives, self.last_life)
        return [life.takeover_ms for life in lives if life.takeover_ms is not None]

    @property
    def released(self) -> int:
        """Entries that were released in Redis when each life had ended."""
        return sum(life.left.released for life in (*self.lives, self.last_life))

    @property
    def released_unread(self) -> int:
        """Entries released that were delivered and never read, by each life's last log line."""
        lines = (life.last_line for life in (*self.lives, self.last_life))
        return sum(each.ledger.released_unread for each in lines if each is not None)

    def findings(self) -> dict[str, Any]:
        """What became of the records, and how long released ones waited."""
        takeovers = self.takeovers_ms
        return {
            "published": self.ending.tally.published,
            "rows": self.ending.tally.rows,
            "lost": len(self.ending.lost),
            "written_twice": self.ending.written_twice,
            "dead_lettered": len(self.ending.dead_lettered),
            "left_pending": self.ending.group.pending,
            "released": self.released,
            "released_unread": self.released_unread,
            "takeover_ms_p50": rounded(nearest_rank(takeovers, 50)),
            "takeover_ms_max": rounded(max(takeovers, default=None)),
            "consumers_left": [name for name, _ in self.ending.group.consumers],
        }

    def finding_rows(self) -> list[tuple[str, str]]:
        """The same for people, each with its name."""
        found = self.findings()
        return [
            ("records published", f"{found['published']:,}"),
            ("rows", f"{found['rows']:,}"),
            ("lost", f"{found['lost']:,}"),
            ("written twice", f"{found['written_twice']:,}"),
            ("dead letters", f"{found['dead_lettered']:,}"),
            ("pending at the end", f"{found['left_pending']:,}"),
            ("released", f"{found['released']:,}"),
            ("of them never read", f"{found['released_unread']:,}"),
            (
                "released until taken over, p50 / max",
                times(found["takeover_ms_p50"], found["takeover_ms_max"]),
            ),
        ]

    def series(self) -> Series:
        """Published, read, acknowledged and released records over time."""
        return Series(
            [each.at_s for each in self.samples],
            {name: [getattr(each, name) for each in self.samples] for name in _SERIES},
        )
