"""Turns any value into plain JSON values of bounded size, without the fields that a repr leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

TEXT_CHARACTERS_MAX = 100_000
ITEMS_MAX = 1_000
# Trees of exceptions and of values are shallower; what is deeper goes in circles.
DEPTH_MAX = 40


Clean = Callable[[str], str]
"""Takes out of a text what must not be shown."""


def plain(value: object, clean: Clean = str, depth: int = 0) -> object:
    """None, bools, numbers, text, lists and dicts; dataclasses by their fields, everything else by its repr.

    Fields with `repr=False` hold secrets and are left out. What is cut says so; every text is cleaned before it is cut.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return shortened(clean(value))
    if depth < DEPTH_MAX:
        return _container(value, clean, depth)
    return "left out: too deep"


def _container(value: object, clean: Clean, depth: int) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        shown = {each.name: getattr(value, each.name) for each in fields(value) if each.repr}
        return _mapping(shown, clean, depth)
    if isinstance(value, Mapping):
        return _mapping(value, clean, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _items(value, len(value), clean, depth)
    return shortened(clean(repr(value)))


def shortened(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """The text, or its beginning and end with a note of what is missing between them."""
    missing = len(text) - characters_max
    if missing <= 0:
        return text
    half = characters_max // 2
    return f"{text[:half]}\n[{missing} characters left out]\n{text[-half:]}"


def _mapping(values: Mapping[Any, object], clean: Clean, depth: int) -> object:
    shown = {
        clean(str(name)): plain(each, clean, depth + 1)
        for name, each in islice(values.items(), ITEMS_MAX)
    }
    if len(values) > ITEMS_MAX:
        shown["left out"] = len(values) - ITEMS_MAX
    return shown


def _items(values: Iterable[object], count: int, clean: Clean, depth: int) -> object:
    shown = [plain(each, clean, depth + 1) for each in islice(values, ITEMS_MAX)]
    if count > ITEMS_MAX:
        shown.append(f"left out: {count - ITEMS_MAX} more")
    return shown
