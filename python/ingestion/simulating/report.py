"""How a simulation ended, for programs and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestion.simulating.simulation import Ending
    from ingestion.simulating.tally import Tally


@dataclass(frozen=True, slots=True)
class Summary:
    """What all devices did."""

    devices: int
    tally: Tally
    ending: Ending

    @property
    def all_answered(self) -> bool:
        """Whether each frame has got its answer, and no answer was wrong."""
        return not self.tally.frames_in_hand and not self.tally.wrong_answers

    def as_json(self) -> dict[str, object]:
        """The object of `--json`."""
        tally = self.tally
        return {
            "devices": self.devices,
            "frames_sent": tally.frames_sent,
            "frames_answered": tally.frames_answered,
            "frames_resent": tally.frames_resent,
            "frames_unanswered": tally.frames_in_hand,
            "records_answered": tally.records_answered,
            "answer_ms_p50": tally.answer_times.percentile_ms(50),
            "answer_ms_p99": tally.answer_times.percentile_ms(99),
            "refused": tally.refused,
            "connections": tally.connections,
            "links_lost": tally.links_lost,
            "timeouts": tally.timeouts,
            "wrong_answers": tally.wrong_answers,
            "seconds": round(self.ending.seconds, 3),
        }

    def as_text(self) -> str:
        """Sentences for the terminal."""
        tally, seconds = self.tally, self.ending.seconds
        rate = tally.frames_answered / seconds if seconds else 0.0
        devices = "1 device" if self.devices == 1 else f"{self.devices:,} devices"
        text = (
            f"{'interrupted: ' if self.ending.interrupted else ''}{devices}, "
            f"{tally.frames_answered:,} frames ({tally.records_answered:,} records) answered in "
            f"{seconds:.2f} s, {rate:,.0f} frames/s"
        )
        p50, p99 = (tally.answer_times.percentile_ms(percent) for percent in (50, 99))
        if p50 is not None and p99 is not None:
            text += f"; from due to answered: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        return text + "".join(self._troubles())

    def _troubles(self) -> list[str]:
        tally = self.tally
        named = (
            (tally.frames_resent, "frames sent again"),
            (tally.timeouts, "answers that did not come in time"),
            (tally.links_lost, "links lost"),
            (tally.refused, "logins refused"),
            (tally.wrong_answers, "WRONG ANSWERS"),
            (tally.frames_in_hand, "frames left without an answer"),
        )
        return [f"; {count:,} {name}" for count, name in named if count]
