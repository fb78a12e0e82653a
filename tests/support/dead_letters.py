"""A queue of dead letters on a real server, and `processor dlq` as somebody types it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from processor.cli import main
from tests.support.operators import Ended
from tests.support.processes import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from dev.servers import RedisServer

Flat: TypeAlias = "Sequence[tuple[bytes, bytes]]"

DEVICE = "356307042441013"
ORIGINAL = {
    "ts": "2026-05-01T09:30:00.000Z",
    "device_id": DEVICE,
    "codec": "8E",
    "payload": '{"speed":1.10}',
}
SAID = {
    "dlq_source_id": "1777627800000-7",
    "dlq_stage": "decode",
    "dlq_code": "bad_json",
    "dlq_error": "expected `,` at byte 33",
    "dlq_sqlstate": "",
    "dlq_attempts": "3",
    "dlq_deliveries": "4",
    "dlq_instance": "processor-1",
    "dlq_first_failed_at": "2026-05-01T09:31:00.000Z",
    "dlq_dead_at": "2026-05-01T09:33:00.000Z",
    "dlq_replays": "0",
}


@dataclass(frozen=True)
class Queue:
    """The two streams of a test, and the commands on them."""

    redis: Redis
    stream: str
    environ: Mapping[str, str]

    @property
    def dead(self) -> str:
        """The stream of dead letters."""
        return f"{self.stream}:dlq"

    def add(self, *, letter_id: str = "*", **changes: str | bytes | None) -> str:
        """A dead letter as the service writes it; with None, a field is missing. Its id."""
        fields = {**ORIGINAL, **SAID, **changes}
        flat = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in fields.items()
            if value is not None
        ]
        return self.add_flat(flat, letter_id=letter_id)

    def add_flat(self, fields: Flat, *, letter_id: str = "*") -> str:
        """A dead letter of any fields, repeats too. Its id."""
        flat = [part for field in fields for part in field]
        made: bytes = self.redis.execute_command("XADD", self.dead, letter_id, *flat)  # type: ignore[no-untyped-call]
        return made.decode()

    def add_many(self, number: int) -> list[str]:
        """So many, which differ in their device."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for n in range(number):
                fields: dict[Any, Any] = {**ORIGINAL, "device_id": f"{n}", **SAID}
                pipeline.xadd(self.dead, fields)
            return [each.decode() for each in pipeline.execute()]

    def letters(self) -> list[str]:
        """The ids of the dead letters."""
        return [*self._fields_by_id(self.dead)]

    def dead_fields(self) -> list[dict[bytes, bytes]]:
        """The fields of each dead letter."""
        return [*self._fields_by_id(self.dead).values()]

    def entries(self) -> dict[str, dict[bytes, bytes]]:
        """What is in the stream, by id."""
        return self._fields_by_id(self.stream)

    def _fields_by_id(self, stream: str) -> dict[str, dict[bytes, bytes]]:
        found: Any = self.redis.xrange(stream)
        return {entry_id.decode(): fields for entry_id, fields in found}

    def entry_flat(self, entry_id: str) -> list[tuple[bytes, bytes]]:
        """The fields of one entry, in order and with repeats."""
        [(_, flat)] = self.redis.execute_command(b"XRANGE", self.stream, entry_id, entry_id)  # type: ignore[no-untyped-call]
        return [*zip(flat[::2], flat[1::2], strict=True)]

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:  # as Popen takes them
        """`processor dlq` as a process of its own."""
        return subprocess.Popen(
            [PROCESSOR, "dlq", *argv],
            env={"PATH": os.defpath, **self.environ, **options.pop("env", {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )


@dataclass(frozen=True)
class Typed:
    """`processor dlq` in this process."""

    queue: Queue
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str) -> Ended:
        code = main(["dlq", *argv])
        return Ended(code, *self.capsys.readouterr())


def ended(process: subprocess.Popen[str]) -> Ended:
    """How it ended, once it has."""
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


@pytest.fixture
def queue(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Queue:
    """Two empty streams, which this process' environment names."""
    environ = {"REDIS_URL": redis_server.operator_url, "REDIS_TELEMETRY_STREAM": stream_name}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REDIS_DLQ_STREAM", raising=False)
    return Queue(redis_client, stream_name, environ)


@pytest.fixture
def dlq(queue: Queue, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run `processor dlq` with these arguments."""
    return Typed(queue, capsys)
