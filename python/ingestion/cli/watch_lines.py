"""How a conversation that is watched is written: for people, or as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ingestion.operating.seen import Conversation
from telemetry.chassis.cli import print_at_once, print_json
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.operating.seen import Moment
    from ingestion.operating.watching import Begun, PartsLost, Told

_HEX_BYTES: Final = 40
_ATTRIBUTES_CHARACTERS: Final = 92


class AsJson:
    """One object a line."""

    def __init__(self, imei: str) -> None:
        self._conversation = Conversation(imei)
        self._imei = imei

    def take(self, news: Begun | PartsLost | Told) -> None:
        """Write what follows from news."""
        for each in self._conversation.take(news):
            print_json(
                {
                    "at": iso_of_unix_ms(each.at_ms),
                    "device_id": self._imei,
                    "instance_id": each.instance_id,
                    "connection": each.connection,
                    "side": each.side,
                    "kind": each.kind,
                    "hex": each.data.hex() if each.side else None,
                    "decoded": each.decoded,
                }
            )


class AsText:
    """A line for each moment, and below it the bytes and what they say."""

    def __init__(self, imei: str) -> None:
        self._conversation = Conversation(imei)

    def take(self, news: Begun | PartsLost | Told) -> None:
        """Write what follows from news."""
        for each in self._conversation.take(news):
            print_at_once("".join(f"{line}\n" for line in _lines(each)))


def _lines(moment: Moment) -> Iterator[str]:
    at = iso_of_unix_ms(moment.at_ms).partition("T")[2].removesuffix("Z")
    where = moment.instance_id
    if moment.connection:
        where += f"#{moment.connection}"
    yield _printable(f"{at}  {where}  {moment.side or '-':6}  {_words(moment)}")
    for start in range(0, len(moment.data), _HEX_BYTES):
        yield f"    {moment.data[start : start + _HEX_BYTES].hex()}"
    for position in moment.decoded.get("positions", ()):
        yield from _position(position)


def _words(moment: Moment) -> str:
    size = len(moment.data)
    of_bytes = f", {size} bytes" if size > 1 and moment.side == "device" else ""
    return _WORDS[moment.kind](moment.decoded) + of_bytes


def _answer(facts: dict[str, Any]) -> str:
    if "accepted" in facts:
        return "login accepted" if facts["accepted"] else "login refused"
    return f"answer: {_records(facts)}"


def _records(facts: dict[str, Any]) -> str:
    return "1 record" if facts["records"] == 1 else f"{facts['records']} records"


def _begun(device: dict[str, Any] | None) -> str:
    if device is None:
        return "the device is not connected here; waiting for its login"
    frames, since = device.get("frames"), device.get("connected_since")
    return f"connected since {since} from {device.get('address')}, {frames} frames answered"


_WORDS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "ping": lambda _: "ping",
    "login": lambda facts: f"login {facts['imei']}",
    "frame": lambda facts: f"frame, codec {facts['codec']}, {_records(facts)}",
    "command": lambda facts: f"frame of codec {facts['codec']}, which gets no answer",
    "refused": lambda facts: (
        f"frame that cannot be decoded: {facts['code']} at byte {facts['offset']}"
    ),
    "fragment": lambda _: "no whole message",
    "answer": _answer,
    "opened": lambda facts: (
        f"{'logged in' if facts.get('login') else 'connected'} from {facts.get('address')}"
        f" over {facts.get('transport')}"
    ),
    "closed": lambda facts: f"the connection is over: {facts.get('why')}",
    "noted": lambda facts: str(facts.get("what")),
    "begun": lambda facts: _begun(facts["device"]),
    "lost": lambda facts: f"some of the conversation is missing: {json.dumps(facts)}",
    "ended": lambda facts: f"the watch is over: {facts.get('why')}",
}


def _position(position: dict[str, Any]) -> Iterator[str]:
    yield _printable(
        "    {timestamp}  {latitude:.7f} {longitude:.7f}  {altitude} m  {angle} deg  {speed} km/h"
        "  {satellites} sat  priority {priority}".format_map(position)
    )
    line = "       "
    for name, value in position["attributes"].items():
        item = f" {name}={_value(value)}"
        if len(line) + len(item) > _ATTRIBUTES_CHARACTERS and line.strip():
            yield line
            line = "       "
        line += item
    if line.strip():
        yield line


def _value(value: object) -> str:
    """An element as the stream has it, without what wraps numbers of 8 bytes and texts of bytes there."""
    if isinstance(value, dict):
        [value] = value.values()
    return str(value)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
