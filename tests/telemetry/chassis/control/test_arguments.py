"""Arguments of requests: what a command of another version may send is refused by a sentence."""

from __future__ import annotations

import pytest

from telemetry.chassis.control.arguments import seconds_of, text_of
from telemetry.chassis.control.responder import CannotDo


def test_a_text_is_a_text() -> None:
    assert text_of({"level": "info"}, "level") == "info"


@pytest.mark.parametrize("value", [None, 1, ["info"], {}], ids=repr)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(CannotDo, match="level is to be a text"):
        text_of({"level": value}, "level")


@pytest.mark.parametrize(
    ("arguments", "seconds"), [({"for_s": 60}, 60), ({"for_s": None}, None), ({}, None)]
)
def test_seconds_are_whole_or_absent(arguments: dict[str, object], seconds: int | None) -> None:
    assert seconds_of(arguments, "for_s") == seconds


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "60"], ids=repr)
def test_other_seconds_are_refused(value: object) -> None:
    with pytest.raises(CannotDo, match="for_s is to be whole seconds"):
        seconds_of({"for_s": value}, "for_s")
