"""Report: the outcome of a drill of tcp-ingestion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drills.result import Result, rounded, times

if TYPE_CHECKING:
    from drills.ingestion.judgement import FinalState


@dataclass(frozen=True, kw_only=True)
class IngestionResult(Result):
    """What the devices were answered, and what the stream held in the end."""

    ending: FinalState

    def findings(self) -> dict[str, Any]:
        """What became of the records, and what the devices went through."""
        ending, simulator = self.ending, self.ending.simulator
        return {
            "devices": ending.devices,
            "records_sent": ending.sent,
            "records_answered": ending.answered,
            "published": ending.published,
            "lost": len(ending.lost),
            "foreign": len(ending.foreign),
            "repeated": ending.repeated,
            "quarantined": ending.quarantined,
            "devices_unheard": len(ending.unheard),
            "connections": simulator.get("connections"),
            "frames_resent": simulator.get("frames_resent"),
            "wrong_answers": simulator.get("wrong_answers"),
            "answer_ms_p50": rounded(simulator.get("answer_ms_p50")),
            "answer_ms_p99": rounded(simulator.get("answer_ms_p99")),
        }

    def finding_rows(self) -> list[tuple[str, str]]:
        """The same for people, each with its name."""
        found = self.findings()
        counts = (
            ("devices", "devices"),
            ("records sent", "records_sent"),
            ("records answered", "records_answered"),
            ("entries in the stream", "published"),
            ("answered and not in the stream", "lost"),
            ("in the stream and never sent", "foreign"),
            ("entries that were sent again", "repeated"),
            ("devices without an answer in the end", "devices_unheard"),
            ("connections", "connections"),
            ("frames sent again", "frames_resent"),
            ("wrong answers", "wrong_answers"),
        )
        return [
            *((name, "-" if found[key] is None else f"{found[key]:,}") for name, key in counts),
            (
                "from due to answered, p50 / p99",
                times(found["answer_ms_p50"], found["answer_ms_p99"]),
            ),
        ]

    def series(self) -> None:
        """Nothing is sampled on the way."""
