"""Finds names in the environment that were probably meant to be variables of the service."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from telemetry.chassis.config.sources import FILE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed import DataclassInstance

# One letter wrong, missing or exchanged in a name as short as REDIS_URL; POSTGRES_USER is not POSTGRES_URL.
_LIKENESS_MIN: Final = 0.885


def misspelt(
    names: Iterable[str], settings: type[DataclassInstance], retired: Mapping[str, str]
) -> Iterator[str]:
    """A hint for each name that looks like a variable of `settings` and is not; no value is looked at.

    `retired`: variables that are ignored now, and what does their work.
    """
    ours = {each.name.upper() for each in fields(settings)}
    ours |= {each.name.upper() + FILE_SUFFIX for each in fields(settings) if each.metadata["file"]}
    for name in sorted(set(names) - ours):
        if name in retired:
            yield f"{name} is retired and ignored: {retired[name]} does its work"
        elif found := get_close_matches(_normal(name), sorted(ours), n=1, cutoff=_LIKENESS_MIN):
            yield f"{name} is no variable of the service: is {found[0]} meant?"


def _normal(name: str) -> str:
    return name.upper().replace("-", "_")
