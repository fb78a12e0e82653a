"""The option `--rate` of commands that send many things."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class _Rate(click.FloatRange):
    """A number above 0; click's range alone would take `nan`."""

    def __init__(self, things: str) -> None:
        super().__init__(min=0, min_open=True)
        self._things = things

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        rate = float(super().convert(value, param, ctx))
        if not math.isfinite(rate):
            self.fail(f"{value!r} is not a number of {self._things}", param, ctx)
        return rate


def rate_option(
    things: str, *, metavar: str = "PER_SECOND", unlimited: str = "as fast as Redis takes them"
) -> Callable[[Any], Any]:
    """`--rate PER_SECOND`; the command gets `rate`, or None for no limit, which the help names `unlimited`."""
    return click.option(
        "--rate",
        type=_Rate(things),
        metavar=metavar,
        help=f"{things.capitalize()} a second. Default: {unlimited}.",
    )
