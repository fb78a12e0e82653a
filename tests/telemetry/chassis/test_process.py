"""A service as a process: signals, crashes and the exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio

from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.process import run_process
from telemetry.chassis.stop_signals import STOP_SIGNALS, deliver, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from telemetry.chassis.process import Live


@pytest.fixture(autouse=True)
def signals_held() -> Iterator[None]:
    """As before the service stands; delivered again behind the test."""
    hold()
    yield
    deliver()


@pytest.fixture
def crashes() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def run(tmp_path: Path, crashes: list[dict[str, Any]]) -> Callable[[Live], ExitCode]:
    dumps = DumpOptions(
        service="other",
        instance_id="other-1",
        directory=str(tmp_path),
        configuration={},
        secrets=("hush",),
    )

    def run_other(live: Live) -> ExitCode:
        return run_process(
            live,
            box=BlackBox(),
            dumps=dumps,
            backstop_ms=60_000,
            report_crash=lambda **fields: crashes.append(fields),
        )

    return run_other


def failing(error: BaseException) -> Live:
    async def live(_signals: AsyncIterator[int], _arm_backstop: Callable[[], None]) -> ExitCode:
        await trio.lowlevel.checkpoint()
        raise error

    return live


def test_the_service_decides_the_exit_code(run: Callable[[Live], ExitCode]) -> None:
    async def live(_signals: AsyncIterator[int], arm_backstop: Callable[[], None]) -> ExitCode:
        arm_backstop()
        await trio.lowlevel.checkpoint()
        return ExitCode.TIMED_OUT

    assert run(live) is ExitCode.TIMED_OUT


def test_a_signal_that_was_held_is_received_and_later_ones_are_held_again(
    run: Callable[[Live], ExitCode],
) -> None:
    received = []
    # To this thread: those that other libraries have started do not hold it.
    signal.raise_signal(signal.SIGTERM)

    async def live(signals: AsyncIterator[int], _arm_backstop: Callable[[], None]) -> ExitCode:
        async for number in signals:
            received.append(number)
            break
        return ExitCode.CLEAN

    assert run(live) is ExitCode.CLEAN
    assert received == [signal.SIGTERM]
    assert set(STOP_SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_crash_is_reported_without_secrets_and_leaves_a_dump_of_the_service(
    run: Callable[[Live], ExitCode], crashes: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert run(failing(KeyError("hush"))) is ExitCode.UNCAUGHT
    (dump,) = tmp_path.iterdir()
    (crash,) = crashes
    assert crash["error"] == "KeyError: '***'"
    assert "in live" in crash["tree"]
    assert "hush" not in crash["tree"]
    assert (crash["panic_dump"], crash["panic_dump_failure"]) == (str(dump), None)
    assert dump.name.startswith("other-panic-other-1-")
    assert '"format": "other-panic/1"' in dump.read_text()


@pytest.mark.parametrize("error", [ConfigError("port in use"), KeyboardInterrupt(), SystemExit(2)])
def test_an_end_that_is_no_crash_is_raised(
    run: Callable[[Live], ExitCode], crashes: list[dict[str, Any]], error: BaseException
) -> None:
    with pytest.raises(type(error)):
        run(failing(error))
    assert crashes == []
