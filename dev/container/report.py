"""What the drill found: a line for each check as it is made, and the figures at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec

from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


@dataclass
class Report:
    """Prints each check; `violations` are those that did not hold."""

    violations: list[str] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        """Say what comes next."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", flush=True)

    def check(self, what: str, holds: object, *, found: object = "") -> None:
        """Say whether it holds; if not, with what was found instead."""
        if holds:
            self.step(f"  ok    {what}")
        else:
            self.violations.append(f"{what}; found: {found}")
            self.step(f"  FAILS {what}; found: {found}")

    def equal(self, what: str, found: object, wanted: object) -> None:
        """The same for two values that have to be equal."""
        self.check(f"{what}: {wanted}", found == wanted, found=found)

    def attempt(self, step: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Carry out a step. If that is not possible it is a violation, and the next ones follow all the same."""
        try:
            step(*args, **kwargs)
        except ServerError as error:
            self.check(step.__name__.strip("_").replace("_", " "), holds=False, found=error)

    def figure(self, name: str, value: str) -> None:
        """Keep a figure for the end."""
        self.figures.append((name, value))

    def end(self) -> int:
        """Print figures and violations; the exit code."""
        print()
        for name, value in self.figures:
            print(f"{name:<34} {value}")
        for violation in self.violations:
            print(f"violated: {violation}")
        print("container-drill:", f"{len(self.violations)} violations")
        return 1 if self.violations else 0
