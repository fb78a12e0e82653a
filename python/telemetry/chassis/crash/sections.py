"""The sections of a dump: the service registers a provider for each of its own; their values become plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import Any

from telemetry.chassis.crash.capture import Scene, task_tree

TEXT_CHARACTERS_MAX = 100_000
ITEMS_MAX = 1_000
# Trees of exceptions and of values are shallower; a deeper one is a circle.
DEPTH_MAX = 40

Clean = Callable[[str], str]
"""Takes out of a text what must not be shown."""

Provider = Callable[[], object]
"""Called once, on the event loop's thread, when the first error is seen. It must not wait. It may raise."""


class BlackBox:
    """The service's own sections by name; those that it expects are in every dump, whenever it crashes."""

    def __init__(self, *expected: str) -> None:
        self._providers: dict[str, Provider | None] = dict.fromkeys(expected)

    def register(self, **providers: Provider) -> None:
        """Name the provider of each section. If one raises, its section says so and the others stand."""
        self._providers.update(providers)

    def scene(self, failed_task: str | None) -> Scene:
        """The present state, inside of the run."""
        return Scene(datetime.now(UTC), failed_task, task_tree(), self._sections())

    def late_scene(self) -> Scene:
        """What is still known when all tasks have ended."""
        return Scene(datetime.now(UTC), None, (), self._sections())

    def _sections(self) -> dict[str, object]:
        return {name: section(provider) for name, provider in self._providers.items()}


def section(provider: Provider | None, clean: Clean = str) -> object:
    """The provider's value in plain form with clean texts, or why it failed."""
    if provider is None:
        return {"unavailable": "the service had not come that far"}
    try:
        return plain(provider(), clean)
    except Exception as fault:  # noqa: BLE001  # a fault in reporting must not hide what is reported
        return {"unavailable": clean(f"{type(fault).__name__}: {fault}")}


def plain(value: object, clean: Clean = str, depth: int = 0) -> object:
    """None, bools, numbers, text, lists and dicts; dataclasses by their fields, everything else by its repr.

    Fields with `repr=False` hold secrets and are left out. Each text is cleaned, and then cut with a note if it is
    too long; so are long containers.
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


def shortened(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """The text, or its beginning and end with the number of characters left out between them."""
    missing = len(text) - characters_max
    if missing <= 0:
        return text
    half = characters_max // 2
    return f"{text[:half]}\n[{missing} characters left out]\n{text[-half:]}"


def _container(value: object, clean: Clean, depth: int) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        shown = {each.name: getattr(value, each.name) for each in fields(value) if each.repr}
        return _mapping(shown, clean, depth)
    if isinstance(value, Mapping):
        return _mapping(value, clean, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _items(value, len(value), clean, depth)
    return shortened(clean(repr(value)))


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
