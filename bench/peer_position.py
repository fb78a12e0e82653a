"""The contract's Position in good Python: orjson, one check for each key, values ready for PostgreSQL.

Both comparisons decode with it. What it leaves out, and the service does not, would cost it more:
numbers in attributes keep their value but not their digits (1.10 becomes 1.1), limits on depth
are orjson's, and a refusal has a code but neither field nor offset.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

CODECS = {b"8": "8", b"8E": "8E", b"16": "16"}
PAYLOAD_BYTES_MAX = 65_536
PAST_MAX = timedelta(days=3650)
FUTURE_MAX = timedelta(seconds=86_400)
REAL_MAX = 3.4028234663852886e38
SMALLINT_MAX = 2**15 - 1

_is_timestamp = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
).fullmatch
_is_integer = re.compile(r"-?\d+", re.ASCII).fullmatch


class Refused(ValueError):  # as in the contract: a refused record
    """The entry is not a Position; the argument is the contract's code."""


class Row(NamedTuple):
    """The columns of `positions` that the writer sets, in order; `attributes` is JSON text."""

    device_id: str
    ts: datetime
    latitude: float
    longitude: float
    altitude: float
    angle: float
    speed: float
    satellites: int
    priority: int
    codec: str
    attributes: bytes


class Window(NamedTuple):
    """The timestamps that are accepted."""

    earliest: datetime
    latest: datetime


def window(now: datetime) -> Window:
    """The contract's default limits around `now`."""
    return Window(now - PAST_MAX, now + FUTURE_MAX)


def decode(fields: Mapping[bytes, bytes], accepted: Window) -> Row:
    """The row of one entry. Raises Refused."""
    payload = fields.get(b"payload")
    if payload is None:
        raise Refused("missing_payload")
    codec = CODECS.get(fields.get(b"codec", b""))
    if codec is None:
        raise Refused("unknown_codec" if b"codec" in fields else "missing_codec")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Refused("too_large")
    if b"\\u0000" in payload:
        raise Refused("unstorable_text")
    try:
        position = orjson.loads(payload)
        device_id = position["device_id"]
        if type(device_id) is not str or not 1 <= len(device_id.encode()) <= 64:
            raise Refused("bad_type" if type(device_id) is not str else "out_of_range")
        return Row(
            device_id,
            _timestamp(position["timestamp"], accepted),
            _number(position["latitude"], 90),
            _number(position["longitude"], 180),
            _number(position["altitude"], REAL_MAX),
            _number(position["angle"], REAL_MAX),
            _number(position["speed"], REAL_MAX),
            _smallint(position["satellites"]),
            _smallint(position["priority"]),
            codec,
            _attributes(position["attributes"]),
        )
    except orjson.JSONDecodeError:
        raise Refused("bad_json") from None
    except KeyError:
        raise Refused("missing_field") from None
    except (TypeError, AttributeError):
        raise Refused("bad_type") from None


def _timestamp(text: str, accepted: Window) -> datetime:
    if not _is_timestamp(text):
        raise Refused("bad_timestamp")
    try:
        ts = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_timestamp") from None
    if not accepted.earliest <= ts <= accepted.latest:
        raise Refused("ts_out_of_window")
    return ts


def _number(value: float, limit: float) -> float:
    if type(value) is not float and type(value) is not int:
        raise Refused("bad_type")
    if not -limit <= value <= limit:
        raise Refused("out_of_range")
    return value


def _smallint(value: int) -> int:
    if type(value) is not int:
        raise Refused("bad_type")
    if not -SMALLINT_MAX - 1 <= value <= SMALLINT_MAX:
        raise Refused("out_of_range")
    return value


def _attributes(attributes: dict[str, Any]) -> bytes:
    """The stored form, as JSON text. Changes `attributes`."""
    for key, value in attributes.items():
        kind = type(value)
        if kind is dict:
            # No key is added or removed, so the dictionary may be changed on the way.
            attributes[key] = _sentinel(value)
        elif kind is list:
            raise Refused("bad_type")
    return orjson.dumps(attributes)


def _sentinel(value: dict[str, Any]) -> str:
    if len(value) == 1:
        [(kind, text)] = value.items()
        if kind == "__bigint" and type(text) is str and _is_integer(text):
            return text
        if kind == "__buffer_b64" and type(text) is str:
            return _base64(text)
    elif len(value) == 2 and value.get("type") == "Buffer" and type(value.get("data")) is list:
        return _slip(value["data"])
    raise Refused("bad_sentinel" if value.keys() & {"__bigint", "__buffer_b64"} else "bad_type")


def _base64(text: str) -> str:
    try:
        a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Refused("bad_sentinel") from None
    return text


def _slip(data: list[int]) -> str:
    try:
        return b2a_base64(bytes(data), newline=False).decode()
    except (TypeError, ValueError):
        raise Refused("bad_sentinel") from None
