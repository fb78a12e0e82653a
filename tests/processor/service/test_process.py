"""The process around the supervisor: a crash that no task reports is reported whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from processor.config import load_config
from processor.service import process as service
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.log_pipe import Pipe

pytestmark = pytest.mark.usefixtures("signal_mask")

ENVIRONMENT = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgres://u:hush@h/d"}


class Panic(BaseException):
    """As pyo3's PanicException, no Exception."""


def end_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    async def supervise(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(service, "supervise", supervise)


@pytest.mark.parametrize(
    "error", [KeyError("k"), Panic("k"), BaseExceptionGroup("g", [Panic("k")])]
)
def test_a_crash_is_reported_with_its_trace_even_if_it_is_a_panic(
    monkeypatch: pytest.MonkeyPatch, pipe: Pipe, tmp_path: Path, error: BaseException
) -> None:
    end_with(monkeypatch, error)
    pipe.log()
    config = load_config({**ENVIRONMENT, "PANIC_DUMP_DIR": str(tmp_path)})
    assert service.run_service(config) is ExitCode.UNCAUGHT
    (line,) = pipe.lines()
    assert line["level"] == "fatal"
    assert line["msg"].startswith(f"uncaught exception {type(error).__name__}")
    assert "in supervise" in line["tree"]
    (dump,) = tmp_path.iterdir()
    assert (line["panic_dump"], line["panic_dump_failure"]) == (str(dump), None)


def test_ctrl_c_before_signals_are_received_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, pipe: Pipe
) -> None:
    end_with(monkeypatch, KeyboardInterrupt())
    pipe.log()
    with pytest.raises(KeyboardInterrupt):
        service.run_service(load_config(ENVIRONMENT))
    assert pipe.lines() == []
