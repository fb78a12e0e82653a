"""A service as a process: stop signals, the backstop, the panic dump, and the exit code."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias

import trio

from telemetry.chassis import clocks, stop_signals
from telemetry.chassis.config.secrets import hide
from telemetry.chassis.crash.capture import Witness, message_of, trace_of
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.files import leave_dump
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode

Live: TypeAlias = Callable[[AsyncIterator[int], Callable[[], None]], Awaitable[ExitCode]]
"""The service: takes the stop signals and what arms the backstop, and returns the exit code."""


class ReportCrash(Protocol):
    """Writes the log line of a crash; its texts hold no secrets."""

    def __call__(
        self, *, error: str, tree: str, panic_dump: str | None, panic_dump_failure: str | None
    ) -> None:
        """The error in a line, its whole tree, the path of the dump, and why it is not where it was to be."""


def run_process(
    live: Live, *, box: BlackBox, dumps: DumpOptions, backstop_ms: int, report_crash: ReportCrash
) -> ExitCode:
    """Run a service to its end; a crash leaves a dump and a log line.

    ConfigError, KeyboardInterrupt and SystemExit are no crashes, and are raised.
    """
    if sys.stderr is not None:
        # SIGSEGV and the like end the process without another word.
        faulthandler.enable(file=sys.stderr)
    try:
        return trio.run(_with_signals, live, backstop_ms, instruments=[Witness(box.scene)])
    except (ConfigError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of the codec is reported whole, too
        left = leave_dump(error, box, dumps)
        report_crash(
            error=hide(message_of(error), dumps.secrets),
            tree=hide(trace_of(error), dumps.secrets),
            panic_dump=left.path,
            panic_dump_failure=left.failure,
        )
        return ExitCode.UNCAUGHT
    finally:
        faulthandler.cancel_dump_traceback_later()


async def _with_signals(live: Live, backstop_ms: int) -> ExitCode:
    def arm_backstop() -> None:
        # Needs no GIL: it ends the process, with exit code 1 and the stacks on standard error, also
        # when a thread or C code never comes back.
        faulthandler.dump_traceback_later(backstop_ms / 1000, exit=True, file=sys.stderr)

    clocks.ask_directly()
    with trio.open_signal_receiver(*stop_signals.STOP_SIGNALS) as signals:
        stop_signals.deliver()
        try:
            return await live(signals, arm_backstop)
        finally:
            # The exit code is decided: no signal changes it while the interpreter winds up.
            stop_signals.hold()
