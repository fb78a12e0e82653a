"""Finds names in the environment that were probably meant to be variables of the service."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from processor.config import RETIRED, Config
from telemetry.chassis.config.sources import FILE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# One letter wrong, missing or exchanged in a name as short as REDIS_URL; POSTGRES_USER is not POSTGRES_URL.
_LIKENESS_MIN: Final = 0.885


def misspelt(names: Iterable[str]) -> Iterator[str]:
    """A hint for each name that looks like one of ours and is not; no value is looked at."""
    ours = {each.name.upper() for each in fields(Config)}
    ours |= {each.name.upper() + FILE_SUFFIX for each in fields(Config) if each.metadata["file"]}
    for name in sorted(set(names) - ours):
        if name in RETIRED:
            yield f"{name} is retired and ignored: {RETIRED[name]} does its work"
        elif found := get_close_matches(_normal(name), sorted(ours), n=1, cutoff=_LIKENESS_MIN):
            yield f"{name} is no variable of the service: is {found[0]} meant?"


def _normal(name: str) -> str:
    return name.upper().replace("-", "_")
