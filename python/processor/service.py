"""`processor run` as a process: real edges, real signals, the backstop, and the exit code."""

from __future__ import annotations

import faulthandler
import sys
import traceback

import trio

from processor import events, stop_signals
from processor.assembly import real_edges
from processor.config import Config
from processor.errors import ConfigError
from processor.exit_codes import ExitCode
from processor.logs import Log
from processor.supervisor import supervise


def run_service(config: Config) -> ExitCode:
    """Run until told to stop. Raises ConfigError when the HTTP port is taken."""
    log = Log()
    try:
        return trio.run(_with_signals, config, log)
    except (ConfigError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of the codec, too, is told whole before the end
        tree = "".join(traceback.format_exception(error))
        events.uncaught_exception(log, error=error, tree=tree, panic_dump=None)
        return ExitCode.UNCAUGHT
    finally:
        faulthandler.cancel_dump_traceback_later()


async def _with_signals(config: Config, log: Log) -> ExitCode:
    def arm_backstop() -> None:
        # Needs no GIL: it ends the process, with exit code 1 and the stacks on standard error, also
        # when a thread or C code never comes back.
        seconds = config.shutdown_timeout_ms / 1000
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)

    with trio.open_signal_receiver(*stop_signals.STOP_SIGNALS) as signals:
        stop_signals.deliver()
        try:
            return await supervise(
                config, real_edges(config), signals, log, arm_backstop=arm_backstop
            )
        finally:
            # What is decided stays decided while the interpreter winds up.
            stop_signals.hold()
