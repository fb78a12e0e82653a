"""Run, the start: how a service under test is started and signalled."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from signal import Signals


@dataclass(frozen=True, slots=True)
class ProcessLauncher:
    """Starts a command on this machine; signals go to its process."""

    argv: tuple[str, ...]
    ready_line: str
    """How the log line of a service begins that is ready."""

    def start(self, _name: str, _environment: Mapping[str, str]) -> tuple[str, ...]:
        """The command line that runs the service until its end."""
        return self.argv

    def signal(self, _name: str, _number: Signals) -> tuple[str, ...]:
        """Empty: the signal is sent to the process itself."""
        return ()


@dataclass(frozen=True, slots=True)
class ContainerLauncher:
    """Runs an image with `engine`; signals go to the container.

    It shares the host's network, as the URLs and the relay are this host's.
    """

    image: str
    engine: str
    ready_line: str

    def start(self, name: str, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The command line that runs container `name` until its end.

        The engine takes the values from its own environment: no password is on the command line.
        """
        variables = [word for key in sorted(environment) for word in ("--env", key)]
        return (
            self.engine,
            "run",
            "--rm",
            "--network",
            "host",
            "--name",
            name,
            *variables,
            self.image,
        )

    def signal(self, name: str, number: Signals) -> tuple[str, ...]:
        """The command line that sends the signal."""
        return (self.engine, "kill", "--signal", number.name.removeprefix("SIG"), name)


Launcher: TypeAlias = ProcessLauncher | ContainerLauncher


def of_this_installation(package: str) -> tuple[str, ...]:
    """The command line of a service by the interpreter that runs the drill."""
    return (sys.executable, "-m", package, "run")
