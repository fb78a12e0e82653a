"""Published frames, and what they stand for by the contract."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
DRIVE = _TESTS / "captures/drive-codec8.hex"

# A codec 8 frame of one record, from the vendor's wiki.
GOOD = (
    "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101"
    "425e0f01f10000601a014e0000000000000000010000c7cf"
)
WRONG_CRC = GOOD[:-2] + "ce"
COMMAND = "000000000000000f0c010500000007676574696e666f0100004312"
EMPTY = "000000000000000308000000" + "00c281"


def rows(name: str, key: str, wanted: str) -> list[dict[str, Any]]:
    """The rows of a vector file whose `key` has the value `wanted`."""
    lines = (_TESTS / "vectors" / name).read_text().splitlines()
    return [row for row in map(json.loads, lines) if row[key] == wanted]


FRAMES = [
    bytes.fromhex(row["hex"])
    for row in rows("frames.jsonl", "transport", "tcp")
    if row["strict_verdict"] == "ok"
]
"""Sound frames of all codecs."""


def conversations() -> list[list[dict[str, Any]]]:
    """The steps of each conversation over TCP: `dir` (device or server) and `hex`."""
    lines = (_TESTS / "vectors/handshake.jsonl").read_text().splitlines()
    rows = map(json.loads, lines)
    return [row["steps"] for row in rows if not row["id"].startswith("udp")]


def expected_position(record: dict[str, Any], device_id: str) -> dict[str, Any]:
    """The Position of a vector's record, timestamp apart; numbers are exact."""
    return {
        "device_id": device_id,
        "latitude": Decimal(record["latitude_e7"]) / 10_000_000,
        "longitude": Decimal(record["longitude_e7"]) / 10_000_000,
        **{key: record[key] for key in ("altitude", "angle", "speed", "satellites", "priority")},
        "attributes": _expected_attributes(record),
    }


def _expected_attributes(record: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for element_id, element in record["io"].items():
        if element.get("variable"):
            text = base64.b64encode(bytes.fromhex(element["raw_hex"])).decode()
            attributes[element_id] = {"__buffer_b64": text}
        elif element["size"] == 8:
            attributes[element_id] = {"__bigint": str(element["uint"])}
        else:
            attributes[element_id] = element["uint"]
    if record["generation_type"] is not None:
        attributes["__generation_type"] = record["generation_type"]
    return attributes
