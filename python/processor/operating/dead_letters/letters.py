"""A dead letter as a value, whoever wrote it: what was published, and what was said about its failure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Field: TypeAlias = tuple[bytes, bytes]
"""Name and value."""

SAID: Final = (
    "source_id",
    "stage",
    "code",
    "error",
    "sqlstate",
    "attempts",
    "deliveries",
    "instance",
    "first_failed_at",
    "dead_at",
    "replays",
)
"""What a letter says of its failure: its fields with these names behind `dlq_` (contract section 4)."""
COUNTS: Final = frozenset({"attempts", "deliveries", "replays"})

_NAMES: Final = {f"dlq_{name}".encode(): name for name in SAID}
# Larger numbers are none that anybody counted, and JSON's readers would round them.
_COUNT = re.compile(rb"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One entry of the dead-letter stream."""

    letter_id: str
    fields: tuple[Field, ...]
    """The original entry's, in their order; names may repeat."""
    said: Mapping[str, bytes]
    """Those of SAID that are there."""

    def field(self, name: bytes) -> bytes | None:
        """An original field as the service reads it: of repeats the last. None if it is missing."""
        return next((value for found, value in reversed(self.fields) if found == name), None)

    def text(self, name: str) -> str:
        """What is said, for people; empty if nothing is."""
        return self.said.get(name, b"").decode("utf-8", "backslashreplace")

    def count(self, name: str) -> int | None:
        """One of COUNTS; None if it is missing or no number."""
        return count_of(self.said.get(name, b""))

    @property
    def dead_at_ms(self) -> int | None:
        """When it died, in Unix time; None if it does not say so."""
        return _unix_ms(self.said.get("dead_at", b""))


def parse_letter(letter_id: bytes, flat: Sequence[bytes]) -> Letter:
    """A letter of its id and a flat list of names and values.

    What the service adds stands behind the original fields. So of repeated `dlq_` names the last one is what was said,
    and the others were published. A `dlq_replays` is never an original field: the service takes it over.
    """
    said: dict[str, bytes] = {}
    fields: list[Field] = []
    for name, value in reversed([*zip(flat[::2], flat[1::2], strict=True)]):
        known = _NAMES.get(name)
        if known is not None and known not in said:
            said[known] = value
        elif known != "replays":
            fields.append((name, value))
    return Letter(letter_id.decode(), tuple(reversed(fields)), said)


def count_of(value: bytes) -> int | None:
    """A number as the service writes it; None for anything else."""
    return int(value) if _COUNT.fullmatch(value) else None


def json_value(value: bytes) -> str | dict[str, str]:
    """Text, or `{"base64": ...}` for bytes that are not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def whole(letter: Letter) -> dict[str, Any]:
    """The letter as JSON: `id`, `fields`, `dead_letter`.

    Where an object cannot hold the fields, since a name repeats or is not UTF-8, it has `all_fields` as well: pairs of
    name and value, in their order.
    """
    names = [name.decode("utf-8", "backslashreplace") for name, _ in letter.fields]
    values = [json_value(value) for _, value in letter.fields]
    shown: dict[str, Any] = {
        "id": letter.letter_id,
        "fields": dict(zip(names, values, strict=True)),
        "dead_letter": {name: _said(letter, name) for name in SAID},
    }
    if len(shown["fields"]) < len(names) or not all(map(_is_text, letter.fields)):
        pairs = zip((json_value(name) for name, _ in letter.fields), values, strict=True)
        shown["all_fields"] = [list(pair) for pair in pairs]
    return shown


def summary(letter: Letter) -> dict[str, Any]:
    """The letter as JSON in a list of letters; null for what it does not say."""
    device_id = letter.field(b"device_id")
    return {
        "id": letter.letter_id,
        "source_id": _said(letter, "source_id"),
        "stage": _said(letter, "stage"),
        "code": _said(letter, "code"),
        "sqlstate": _said(letter, "sqlstate"),
        "device_id": json_value(device_id) if device_id else None,
        "attempts": letter.count("attempts"),
        "replays": letter.count("replays"),
        "dead_at": _said(letter, "dead_at"),
        "error": _said(letter, "error"),
    }


def _said(letter: Letter, name: str) -> object:
    value = letter.said.get(name)
    if not value:
        return None
    number = count_of(value) if name in COUNTS else None
    return json_value(value) if number is None else number


def _is_text(field: Field) -> bool:
    return isinstance(json_value(field[0]), str)


def _unix_ms(value: bytes) -> int | None:
    try:
        moment = datetime.fromisoformat(value.decode())
        # Without a zone it is UTC, as every time of the service.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
