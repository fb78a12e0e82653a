"""`processor run` as a process: real edges, real signals, the backstop, the panic dump, and the exit code."""

from __future__ import annotations

import faulthandler
import sys

import trio

from processor.config import Config
from processor.config.secrets import secrets_of
from processor.journal.journal import Journal
from processor.service.assembly import build_of, real_edges
from processor.service.supervisor import supervise
from telemetry.chassis import stop_signals
from telemetry.chassis.config.secrets import hide
from telemetry.chassis.crash.black_box import BlackBox
from telemetry.chassis.crash.dumping import leave_dump
from telemetry.chassis.crash.exceptions import as_text, message_of
from telemetry.chassis.crash.scene import Witness
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.logs import Log


def run_service(config: Config) -> ExitCode:
    """Run until told to stop. Raises ConfigError when the HTTP port is taken."""
    journal = Journal(Log(), build_of(config))
    if sys.stderr is not None:
        # SIGSEGV and the like end the process without another word.
        faulthandler.enable(file=sys.stderr)
    box = BlackBox()
    try:
        return trio.run(_with_signals, config, journal, box, instruments=[Witness(box.scene)])
    except (ConfigError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic of the codec, too, is told whole before the end
        _tell_crash(error, box, config, journal)
        return ExitCode.UNCAUGHT
    finally:
        faulthandler.cancel_dump_traceback_later()


def _tell_crash(error: BaseException, box: BlackBox, config: Config, journal: Journal) -> None:
    left = leave_dump(error, box, config)
    secrets = secrets_of(config)
    journal.uncaught_exception(
        error=hide(message_of(error), secrets),
        tree=hide(as_text(error), secrets),
        panic_dump=left.path,
        panic_dump_failure=left.failure,
    )


async def _with_signals(config: Config, journal: Journal, box: BlackBox) -> ExitCode:
    def arm_backstop() -> None:
        # Needs no GIL: it ends the process, with exit code 1 and the stacks on standard error, also
        # when a thread or C code never comes back.
        seconds = config.shutdown_timeout_ms / 1000
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)

    with trio.open_signal_receiver(*stop_signals.STOP_SIGNALS) as signals:
        stop_signals.deliver()
        try:
            return await supervise(
                config,
                real_edges(config),
                signals,
                journal,
                arm_backstop=arm_backstop,
                black_box=box,
            )
        finally:
            # What is decided stays decided while the interpreter winds up.
            stop_signals.hold()
