"""Run, the load: `tcp-ingestion simulate` as a process, what its devices sent, and what was answered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import trio

from drills.observed import PositionKey
from drills.service import DrillFailed

if TYPE_CHECKING:
    from pathlib import Path

# Far beyond any drill: it is stopped by a signal.
_SECONDS = 86_400
# The simulator itself bounds how long it waits for its last answers.
_END_S_MAX = 30.0
_INTERRUPTED = 130


class Devices:
    """Devices that send to `server` from the start of `run` until `stop`. They write their files into `directory`."""

    def __init__(self, server: str, *, devices: int, rate: int, directory: Path) -> None:
        self._argv = (
            *(sys.executable, "-m", "ingestion", "simulate", server, "--json"),
            *("--devices", str(devices), "--rate", str(rate), "--seconds", str(_SECONDS)),
            *("--sent", str(directory / "sent"), "--answered", str(directory / "answered")),
        )
        self.count = devices
        self._sent = directory / "sent"
        self._answered = directory / "answered"
        self._process: trio.Process | None = None
        self._is_stopping = False
        self._ended = trio.Event()
        self.figures: dict[str, Any] = {}
        """What the simulator says of itself; empty before its end."""

    async def run(self) -> None:
        """Until its end. Raises DrillFailed if it ends before `stop`. A cancellation kills it."""
        process = await trio.lowlevel.open_process(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the drill
        )
        self._process = process
        output: dict[str, bytes] = {}
        try:
            async with trio.open_nursery() as readers:
                readers.start_soon(_read, process.stdout, output, "out")
                readers.start_soon(_read, process.stderr, output, "err")
                await process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
        if not self._is_stopping or process.returncode != _INTERRUPTED:
            said = output["err"].decode(errors="replace").strip()
            raise DrillFailed(f"the devices ended with exit code {process.returncode}: {said}")
        self.figures = json.loads(output["out"])
        self._ended.set()

    async def stop(self) -> None:
        """Let each device finish what it has in hand, and wait for the end."""
        self._is_stopping = True
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        with trio.move_on_after(_END_S_MAX):
            await self._ended.wait()

    def sent(self) -> set[PositionKey]:
        """Records that any device has sent, or was about to."""
        return set(_keys(self._sent))

    def answered(self) -> list[PositionKey]:
        """Records that were answered."""
        return _keys(self._answered)

    def answered_bytes(self) -> int:
        """How much is written of what was answered: a place for `heard_since`."""
        return self._answered.stat().st_size if self._answered.exists() else 0

    def heard_since(self, place: int) -> set[str]:
        """Devices with an answer that was written behind this place."""
        return {key.device_id for key in _keys(self._answered, place)}


def _keys(file: Path, place: int = 0) -> list[PositionKey]:
    """The records of the whole lines behind a place. A line that is being written is left out."""
    if not file.exists():
        return []
    with file.open("rb") as lines:
        lines.seek(place)
        found = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [PositionKey(each["device_id"], each["ts"]) for each in found]


async def _read(stream: trio.abc.ReceiveStream | None, output: dict[str, bytes], name: str) -> None:
    assert stream is not None
    output[name] = b"".join([data async for data in stream])
