"""Report: the figures of the runs as one JSON object.

    load, seconds, violations, violation_texts, settings{}      the whole; settings by their names in the environment
    runs[]                                                      one for each number of instances
      instances, seconds, published, rows, lost, written_twice, dead_lettered, left_pending, violations
      backlog{records_per_second, records[], share_min, share_max}   worked off together; null if it was left out
      steady{...}                                               the same under the steady load, before the first event
      events[]                                                  one for each instance that something happened to
        event, instance, at_s, held                             `held`: entries pending under its name at that moment
        taken_over_ms    until none of them was pending under its name: acknowledged, or claimed by another; null if
                         there were none, which is a violation
        settled_ms       until none of them was pending at all
        bound_ms, judged_ms, kept                              what is allowed for which of the two, and whether it held
        uncommitted_max, oldest_uncommitted_ms_max              from then until the next event
      spans[]{event, from_s, to_s}                              from its begin until as many were at work as before
      marks[]{at_s, text}                                       what was done when
      samples{at_s[], undelivered[], pending[], uncommitted[], oldest_uncommitted_s[]}   several a second
      lives[]{instance, exit_code, drain_ms, ledger{}}          ledger: of the last line; null for one that was killed

Times that were not measured are null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from drills.processor.sharing.sampling import Sample
from drills.result import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.observed import Life
    from drills.processor.judgement import FinalState
    from drills.processor.sharing.events import Mark, Span
    from drills.processor.sharing.judgement import Handover


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows each instance inserted."""

    records: tuple[int, ...]
    seconds: float

    def figures(self) -> dict[str, Any]:
        """With the smallest and the greatest part of the whole."""
        total = sum(self.records)
        parts = [each / total for each in self.records] if total else []
        return {
            "records_per_second": round(total / self.seconds) if self.seconds else None,
            "records": list(self.records),
            "share_min": _part(min(parts, default=None)),
            "share_max": _part(max(parts, default=None)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run that came to its end."""

    name: str
    instances: int
    seconds: float
    backlog: Share | None
    steady: Share
    handovers: tuple[Handover, ...]
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]
    samples: tuple[Sample, ...]
    lives: tuple[Life, ...]
    ending: FinalState
    violations: tuple[str, ...]

    def figures(self) -> dict[str, Any]:
        """Everything countable."""
        return {
            "name": self.name,
            "instances": self.instances,
            "seconds": round(self.seconds, 1),
            "published": self.ending.tally.published,
            "rows": self.ending.tally.rows,
            "lost": len(self.ending.lost),
            "written_twice": self.ending.written_twice,
            "dead_lettered": len(self.ending.dead_lettered),
            "left_pending": self.ending.group.pending,
            "violations": len(self.violations),
            "backlog": self.backlog.figures() if self.backlog else None,
            "steady": self.steady.figures(),
            "events": [self._event(number) for number in range(len(self.handovers))],
            "spans": [
                {
                    "event": each.event.value,
                    "from_s": round(each.from_s, 3),
                    "to_s": round(each.to_s, 3),
                }
                for each in self.spans
            ],
            "marks": [{"at_s": round(each.at_s, 3), "text": each.text} for each in self.marks],
            "samples": {
                field.name: [round(getattr(each, field.name), 3) for each in self.samples]
                for field in fields(Sample)
            },
            "lives": [_life(each) for each in self.lives],
        }

    def _event(self, number: int) -> dict[str, Any]:
        handover = self.handovers[number]
        until_s = min((each.at_s for each in self.handovers[number + 1 :]), default=self.seconds)
        meanwhile = [each for each in self.samples if handover.at_s <= each.at_s < until_s]
        oldest_s = max((each.oldest_uncommitted_s for each in meanwhile), default=None)
        judged_ms = handover.judged_ms
        return {
            "event": handover.event.value,
            "instance": handover.instance,
            "at_s": round(handover.at_s, 3),
            "held": handover.held,
            "taken_over_ms": rounded(handover.over.taken_over_ms),
            "settled_ms": rounded(handover.over.settled_ms),
            "judged_ms": rounded(judged_ms),
            "bound_ms": handover.bound_ms,
            "kept": judged_ms is not None and judged_ms <= handover.bound_ms,
            "uncommitted_max": max((each.uncommitted for each in meanwhile), default=None),
            "oldest_uncommitted_ms_max": rounded(None if oldest_s is None else oldest_s * 1000),
        }


def figures(
    name: str, settings: Mapping[str, object], runs: tuple[RunResult, ...]
) -> dict[str, Any]:
    """All runs, as the module describes it."""
    texts = [f"{run.instances} instances: {text}" for run in runs for text in run.violations]
    return {
        "load": name,
        "seconds": round(sum(run.seconds for run in runs), 1),
        "violations": len(texts),
        "violation_texts": texts,
        "settings": dict(settings),
        "runs": [run.figures() for run in runs],
    }


def _life(life: Life) -> dict[str, Any]:
    said = life.last_line
    return {
        "instance": life.consumer,
        "exit_code": life.exit_code,
        "drain_ms": rounded(life.drain_ms),
        "ledger": asdict(said.ledger) if said else None,
    }


def _part(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
