"""Which lines about single devices are written: a broken device sends a bad frame a second for years."""

from __future__ import annotations

from collections import OrderedDict

INTERVAL_S = 60.0
# What is remembered of subjects; a stranger chooses them, so their number is bounded.
SUBJECTS_MAX = 10_000
# Lines a minute over all subjects: a stranger who logs in under another IMEI each time is a new one each time.
LINES_MAX = 1_000


class LineLimit:
    """Lets each subject pass once a minute, so many of them at most, and counts what it held back meanwhile."""

    def __init__(self) -> None:
        # When the subject passed last, and how many lines were held back since then; the oldest first.
        self._subjects: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._minute_began_s = -INTERVAL_S
        self._passed = 0

    def passes(self, subject: str, now_s: float) -> int | None:
        """None: hold the line back. Else how many were held back since the last one that passed.

        `now_s` is of a clock that goes forward.
        """
        passed_s, held_back = self._subjects.get(subject, (-INTERVAL_S, 0))
        passes = now_s - passed_s >= INTERVAL_S and self._has_room(now_s)
        self._subjects[subject] = (now_s, 0) if passes else (passed_s, held_back + 1)
        if passes:
            self._passed += 1
            self._subjects.move_to_end(subject)
        while len(self._subjects) > SUBJECTS_MAX:
            self._subjects.popitem(last=False)
        return held_back if passes else None

    def _has_room(self, now_s: float) -> bool:
        if now_s - self._minute_began_s >= INTERVAL_S:
            self._minute_began_s, self._passed = now_s, 0
        return self._passed < LINES_MAX
