"""The stored results: a JSON file for each part, with where and when it was measured."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures.machine import surroundings

if TYPE_CHECKING:
    from bench.figures.part import Asked, Json, Part

DIRECTORY = Path(__file__).parents[2] / "docs" / "benchmarks"
RESULTS = "results"
SERIES = re.compile(r"\[[-\d.,\s]+\]")


def measured(part: Part, asked: Asked) -> Json:
    """Measure a part. Raises BenchError, ServerError."""
    load_before, began_s = os.getloadavg()[0], time.monotonic()
    figures = part.measure(asked)
    return {
        "part": part.name,
        **surroundings(asked.choice),
        "quick": asked.quick,
        "seconds": round(time.monotonic() - began_s),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "figures": figures,
    }


def store(result: Json, directory: Path = DIRECTORY) -> None:
    """Write the part's file. A run that was broken off leaves the last one as it was."""
    file = directory / RESULTS / f"{result['part']}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    # A series of numbers is one line.
    text = SERIES.sub(lambda series: " ".join(series[0].split()), text)
    file.write_text(text + "\n", encoding="utf-8")


def stored(directory: Path = DIRECTORY) -> dict[str, Json]:
    """What was measured, by the name of the part."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((directory / RESULTS).glob("*.json"))
    }
