"""Values as plain JSON: bounded, and without what a repr leaves out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

import pytest

from telemetry.chassis.crash.sections import DEPTH_MAX, ITEMS_MAX, TEXT_CHARACTERS_MAX, plain


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Account:
    name: str
    password: str = field(repr=False)


class Odd:
    def __repr__(self) -> str:
        return "Odd()"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (1 << 70, 1 << 70),
        (1.5, 1.5),
        ("é", "é"),
        (Colour.RED, "red"),
        (Account("ann", "hush"), {"name": "ann"}),
        ([Account("ann", "hush")], [{"name": "ann"}]),
        (MappingProxyType({1: (2, 3)}), {"1": [2, 3]}),
        (b"\xff", "b'\\xff'"),
        (Odd(), "Odd()"),
    ],
)
def test_a_value_becomes_plain(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    shown = plain("a" * TEXT_CHARACTERS_MAX + "z")
    assert isinstance(shown, str)
    assert shown.startswith("aaa")
    assert shown.endswith("az")
    assert "[1 characters left out]" in shown


def test_a_text_is_cleaned_before_it_is_cut() -> None:
    half = TEXT_CHARACTERS_MAX // 2
    text = "a" * (half - 2) + "hush" + "b" * half
    shown = str(plain(text, lambda text: text.replace("hush", "***")))
    assert "hu" not in shown
    assert "sh" not in shown


@pytest.mark.parametrize("container", [list, tuple, set])
def test_many_items_are_cut_and_counted(container: type) -> None:
    shown = plain(container(range(ITEMS_MAX + 5)))
    assert isinstance(shown, list)
    assert len(shown) == ITEMS_MAX + 1
    assert shown[-1] == "left out: 5 more"


def test_many_members_are_cut_and_counted() -> None:
    shown = plain(dict.fromkeys(range(ITEMS_MAX + 5)))
    assert isinstance(shown, dict)
    assert shown["left out"] == 5


def test_a_circle_ends() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert json.dumps(plain(circle)).count("[") == DEPTH_MAX
