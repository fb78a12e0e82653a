"""What `run` of every service does: read the configuration, set up the log, run, and put a bad setting into words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeVar

from telemetry.chassis.cli.output import say
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class LogSettings(Protocol):
    """The settings of the log."""

    @property
    def log_level(self) -> str:
        """LOG_LEVEL."""

    @property
    def log_format(self) -> str:
        """LOG_FORMAT."""

    @property
    def instance_id(self) -> str:
        """INSTANCE_ID."""


Settings = TypeVar("Settings", bound=LogSettings)


def run_configured(
    service: str,
    load: Callable[[Mapping[str, str]], Settings],
    run: Callable[[Settings], int],
    *,
    retired: Mapping[str, str] | None = None,
) -> int:
    """Run a service with the configuration of the environment; its exit code.

    `retired`: variables that are ignored now, and what does their work.
    """
    try:
        config = load(os.environ)
    except ConfigError as error:
        # On standard error, one variable a line: how the log should look could not be read either.
        say(f"{service}: {error}")
        return ExitCode.BAD_CONFIGURATION
    log = configure(
        service=service,
        level=config.log_level,
        form=config.log_format,
        instance_id=config.instance_id,
    )
    for name, successor in (retired or {}).items():
        if os.environ.get(name):
            log.warning(f"{name} is retired and ignored: {successor} does its work")  # noqa: G004  # once a life
    try:
        return run(config)
    except ConfigError as error:
        # Found out later, such as a port in use: the log says it.
        log.fatal(f"bad configuration: {error}")
        return ExitCode.BAD_CONFIGURATION
