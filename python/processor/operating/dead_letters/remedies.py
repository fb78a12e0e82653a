"""What to do about a dead letter, by its code: a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LOOK: Final = "processor dlq show --payload {id} > {id}.json"
_MEND: Final = "processor dlq replay --payload {id}.json {id}"
_REPLAY: Final = "processor dlq replay {id}"
_DROP: Final = "processor dlq drop --yes {id}"


@dataclass(frozen=True, slots=True)
class Remedy:
    """Words for a person, and commands that run as they stand."""

    advice: str
    commands: tuple[str, ...]


_PAYLOAD = (_LOOK, _MEND, _DROP)
_BY_CODE: Final = {
    "missing_payload": Remedy(
        "Whoever published the entry left the payload out. Write the Position into a file and replay the letter with"
        " it, or drop it.",
        (_MEND, _DROP),
    ),
    "missing_codec": Remedy(
        "Whoever published the entry left the field codec out, which a replay cannot mend. Find the producer, and drop"
        " the letter.",
        (_DROP,),
    ),
    "unknown_codec": Remedy(
        "The field codec is not 8, 8E or 16. A replay helps if a newer version knows it; else find the producer,"
        " and drop the letter.",
        (_REPLAY, _DROP),
    ),
    "ts_out_of_window": Remedy(
        "The position's time is too far from the entry's. If the device's clock is wrong, mend the timestamp, or drop"
        " the letter. If Redis' clock was wrong, replay it: its time is judged against that of the new entry.",
        (_REPLAY, *_PAYLOAD),
    ),
    "too_large": Remedy(
        "The payload has more bytes than MAX_PAYLOAD_BYTES. Replay the letter once the service has a higher limit,"
        " mend the payload, or drop it.",
        (_REPLAY, *_PAYLOAD),
    ),
    "refused_by_server": Remedy(
        "PostgreSQL takes other rows, and not this one. The error and the SQLSTATE name the constraint or the trigger:"
        " mend that, or the payload, and replay the letter.",
        (_REPLAY, *_PAYLOAD),
    ),
    "no_answer": Remedy(
        "Every try ended without an answer: the process died in it, or PostgreSQL did not answer. Look for a dump"
        " (processor panic show FILE) and at PostgreSQL's log before you replay the letter.",
        (_REPLAY, _DROP),
    ),
}
_UNREADABLE: Final = Remedy(
    "The payload is no Position. Have it written to a file, mend it there, and replay the letter; or drop it.",
    _PAYLOAD,
)
_UNKNOWN: Final = Remedy(
    "This version does not know the code. Look at the letter, then replay or drop it.",
    (_REPLAY, _DROP),
)
UNREADABLE_CODES: Final = frozenset(
    {
        "bad_json",
        "missing_field",
        "bad_type",
        "out_of_range",
        "bad_timestamp",
        "bad_sentinel",
        "unstorable_text",
        "too_deep",
    }
)
"""Of payloads that the codec cannot read."""


def remedy_of(code: str, letter_id: str) -> Remedy:
    """What to do about the letter."""
    remedy = _BY_CODE.get(code) or (_UNREADABLE if code in UNREADABLE_CODES else _UNKNOWN)
    return Remedy(remedy.advice, tuple(each.format(id=letter_id) for each in remedy.commands))
