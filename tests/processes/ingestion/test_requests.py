"""What operators see of running instances: one command reaches all of them, and no device is answered later for it."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from queue import Empty, Queue
from signal import SIGINT, SIGKILL
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from telemetry.chassis.control.messages import MESSAGE_BYTES_MAX
from tests.support.commands import Done, command
from tests.support.ingestion import RUN
from tests.support.ingestion_frames import imei_of, tcp_frame
from tests.support.processes import WAIT_S_MAX
from tests.support.vectors import WRONG_CRC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dev.servers import RedisServer
    from tests.support.ingestion import Ingest

PROGRAM = RUN[0]
# More than a message of each instance holds.
MANY = 600


class Ask(Protocol):
    """Runs a command on the test's Redis."""

    def __call__(self, *arguments: str) -> Done: ...


@pytest.fixture
def settings(redis_server: RedisServer, stream_name: str) -> Mapping[str, str]:
    return {
        "PATH": f"{PROGRAM.parent}:{os.defpath}",
        "REDIS_URL": redis_server.operator_url,
        "REDIS_CONTROL_CHANNEL": f"{stream_name}:control",
    }


@pytest.fixture
def ask(settings: Mapping[str, str]) -> Ask:
    return lambda *arguments: command(settings, *arguments, program=PROGRAM)


class Watching:
    """`tcp-ingestion watch` of a device, as JSON lines."""

    def __init__(self, settings: Mapping[str, str], device: int, *options: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "watch", imei_of(device), "--json", *options],
            env=dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._moments: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._moments.put(json.loads(line))

    def until(self, kind: str) -> dict[str, Any]:
        """The next moment of this kind; those before it are left out."""
        seen: list[dict[str, Any]] = []
        with suppress(Empty):
            while not seen or seen[-1]["kind"] != kind:
                seen.append(self._moments.get(timeout=WAIT_S_MAX))
            return seen[-1]
        raise AssertionError(f"nothing of the kind {kind} among {seen}")

    def kill(self) -> None:
        self.process.kill()
        self._reader.join(WAIT_S_MAX)

    def end(self) -> tuple[int, str]:
        """Its exit code and what it said, once it has ended."""
        self._reader.join(WAIT_S_MAX)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        return self.process.wait(WAIT_S_MAX), said


@pytest.fixture
def watching() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def watch(stack: ExitStack, settings: Mapping[str, str], device: int, *options: str) -> Watching:
    started = Watching(settings, device, *options)
    stack.enter_context(started.process)
    stack.callback(started.kill)
    return started


def test_every_device_of_every_instance_is_listed_however_many_they_are(
    ingest: Ingest, ask: Ask
) -> None:
    services = [ingest(INSTANCE_ID=f"i-{n}").ready() for n in (1, 2)]
    with ExitStack() as stack:
        for number in range(MANY):
            device = stack.enter_context(services[number % 2].login(number))
        assert device.ask(tcp_frame(1)) == 5
        found = ask("devices", "--json")
        assert (found.code, found.err) == (0, "")
        devices = found.json["devices"]
        assert [each["device_id"] for each in devices] == [imei_of(n) for n in range(MANY)]
        assert len(found.out) > MESSAGE_BYTES_MAX
        last = devices[-1]
        assert last["instance_id"] == "i-2"
        assert last["address"] == "{}:{}".format(*device.socket.getsockname())
        assert (last["transport"], last["frames"]) == ("tcp", 1)
        assert last["connected_since"] <= last["last_frame_at"]
        assert devices[0]["last_frame_at"] is None

        table = ask("devices")
        assert table.err == f"{MANY} devices are connected to 2 instances\n"
        assert len(table.out.splitlines()) == MANY + 1
        assert max(map(len, table.out.splitlines())) <= 100


def test_nobody_there_is_an_empty_list(ask: Ask) -> None:
    found = ask("devices", "--json")
    assert (found.code, found.json) == (0, {"devices": []})
    assert "REDIS_CONTROL_CHANNEL" in found.err


def test_a_conversation_is_seen_whole_from_its_login_to_its_end(
    ingest: Ingest, settings: Mapping[str, str], watching: ExitStack
) -> None:
    service = ingest().ready()
    watched = watch(watching, settings, 1)
    assert watched.until("begun")["decoded"] == {"device": None}
    with service.login() as device:
        opened = watched.until("opened")
        assert opened["decoded"]["login"] is True
        assert opened["decoded"]["address"] == "{}:{}".format(*device.socket.getsockname())
        answer = watched.until("answer")
        assert (answer["side"], answer["hex"]) == ("server", "01")
        # In pieces: what is shown is the message.
        frame = tcp_frame(1, records=2)
        device.send(frame[:11])
        device.send(b"")
        device.send(frame[11:])
        assert device.answer() == 2
        shown = watched.until("frame")
        assert (shown["side"], shown["hex"]) == ("device", frame.hex())
        assert shown["decoded"]["codec"] == "8"
        times = [each["timestamp"] for each in shown["decoded"]["positions"]]
        assert times == ["2026-05-01T12:00:00.255Z", "2026-05-01T12:00:00.256Z"]
        answer = watched.until("answer")
        assert (answer["hex"], answer["decoded"]) == ("00000002", {"records": 2})
        device.send(b"\xff")
        assert watched.until("ping")["hex"] == "ff"
        device.send(bytes.fromhex(WRONG_CRC))
        assert watched.until("refused")["decoded"]["code"] == "crc_fail"
        assert "crc" in watched.until("noted")["decoded"]["what"]
    assert watched.until("closed")["decoded"]["why"] == "closed by the device"
    watched.process.send_signal(SIGINT)
    assert watched.end()[0] == 130


def test_a_device_that_is_connected_is_seen_from_its_next_message_on(
    ingest: Ingest, settings: Mapping[str, str], watching: ExitStack
) -> None:
    service = ingest().ready()
    with service.login() as device, service.login(2) as other:
        assert device.ask(tcp_frame(1)) == 5
        watched = watch(watching, settings, 1, "--for", "1s")
        begun = watched.until("begun")["decoded"]["device"]
        assert (begun["device_id"], begun["frames"]) == (imei_of(1), 1)
        assert other.ask(tcp_frame(1)) == 5
        assert device.ask(tcp_frame(2, records=1)) == 1
        shown = watched.until("frame")
        assert (shown["device_id"], shown["decoded"]["records"]) == (imei_of(1), 1)
        # Its time is over, and the conversation goes on.
        assert watched.end() == (0, f"watching {imei_of(1)} for 1 s; Ctrl-C ends it\n")
        service.wait_for(f"watch ended imei={imei_of(1)}: its time is over")
        assert device.ask(tcp_frame(3)) == 5


def test_who_watches_may_be_killed_and_may_watch_on_two_instances_at_once(
    ingest: Ingest, settings: Mapping[str, str], watching: ExitStack, ask: Ask
) -> None:
    services = {f"i-{n}": ingest(INSTANCE_ID=f"i-{n}").ready() for n in (1, 2)}
    watched = [watch(watching, settings, 1) for _ in range(2)]
    for each in watched:
        assert {each.until("begun")["instance_id"] for _ in range(2)} == {*services}
    watched[0].process.send_signal(SIGKILL)
    for name, service in services.items():
        with service.login() as device:
            assert device.ask(tcp_frame(1)) == 5
            assert watched[1].until("frame")["instance_id"] == name
        assert watched[1].until("closed")["instance_id"] == name
    for service in services.values():
        service.wait_for("watch ended")
        # Nobody heard it, and no connection was lost for that.
        assert service.logged("operators' requests do not reach") == []
    assert len(ask("instances", "--json").json["instances"]) == 2


def test_without_an_instance_nothing_is_watched(
    settings: Mapping[str, str], watching: ExitStack
) -> None:
    watched = watch(watching, settings, 1)
    code, said = watched.end()
    assert code == 1
    assert "no instance answered" in said


def test_what_any_service_answers(ingest: Ingest, ask: Ask, tmp_path: Path) -> None:
    service = ingest(INSTANCE_ID="i-1", PANIC_DUMP_DIR=str(tmp_path)).ready()
    with service.login() as device:
        assert device.ask(tcp_frame(1)) == 5
        [instance] = ask("instances", "--json").json["instances"]
    assert (instance["instance_id"], instance["consumer"]) == ("i-1", None)
    assert (instance["phase"], instance["in_flight"]) == ("running", 0)
    assert (instance["pid"], instance["ledger"]["published"]) == (service.process.pid, 5)

    changed = ask("log-level", "debug", "--json")
    assert changed.json == {"instances": [{"instance_id": "i-1", "log_level": "debug"}]}
    service.wait_for("log level changed level=debug")

    [written] = ask("dump", "--json").json["instances"]
    assert stat.S_IMODE(Path(written["path"]).stat().st_mode) == 0o600
    shown = ask("panic", "show", written["path"])
    assert "i-1 was asked for this dump" in shown.out
    assert "connections" in shown.out


def test_the_health_check_asks_the_port_that_the_service_has_by_default(
    ingest: Ingest, ask: Ask
) -> None:
    service = ingest().ready()
    host, port = service.address.rsplit(":", 1)
    alive = command({"METRICS_HOST": host, "METRICS_PORT": port}, "healthcheck", program=PROGRAM)
    assert (alive.code, alive.err) == (0, "")
    gone = ask("healthcheck")
    assert gone.code == 1
    assert "METRICS_PORT=9091" in gone.err


def test_the_page_says_what_the_service_does(ingest: Ingest) -> None:
    service = ingest().ready()
    with service.login() as device:
        assert device.ask(tcp_frame(1)) == 5
        status = json.loads(service.get("/status.json")[1])
    assert status["status"] == "ready"
    assert status["redis"] == {"ready": True, "reason": ""}
    assert status["listeners"] == {"tcp": f"127.0.0.1:{service.port}", "udp": None, "tls": None}
    assert (status["connections"], status["frames"]["ok"], status["records"]) == (1, 1, 5)
    assert status["queue"] == {"records": 0, "bytes": 0}
    assert (status["oldest_unanswered_s"], status["problems"]) == (0.0, [])
    assert imei_of(1) not in json.dumps(status)
    code, page = service.get("/")
    assert code == 200
    assert "<title>tcp-ingestion</title>" in page


COMMANDS = {
    "devices": "devices",
    "watch": "watch",
    "instances": "running",
    "log-level": "running",
    "dump": "running",
}


def examples() -> list[str]:
    found = []
    for name, module in COMMANDS.items():
        epilog = getattr(import_module(f"ingestion.cli.{module}"), name.replace("-", "_")).epilog
        found += re.findall(rf"^  (tcp-ingestion {name}.*)$", epilog, re.MULTILINE)
    return found


def _bounded(example: str) -> str:
    """The same for the instance of the test, and for a second where it would last until Ctrl-C."""
    line = example.replace("--instance tcp-ingestion-1", "--instance tcp-ingestion-2")
    return re.sub(r"(watch \d+)(?: --for \w+)?", r"\1 --for 1s", line)


def test_the_examples_of_the_help_run_as_they_stand(
    ingest: Ingest, settings: Mapping[str, str], tmp_path: Path
) -> None:
    def in_shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env=dict(settings),
            capture_output=True,
            text=True,
            timeout=WAIT_S_MAX,
            check=False,
        )

    service = ingest(INSTANCE_ID="tcp-ingestion-2", PANIC_DUMP_DIR=str(tmp_path)).ready()
    assert {shlex.split(each)[1] for each in examples()} == {*COMMANDS}
    lines = [*map(_bounded, examples())]
    with service.login(441013) as device, ThreadPoolExecutor(4) as shells:
        assert device.imei == "356307042441013"
        for line, done in zip(lines, shells.map(in_shell, lines), strict=True):
            assert (line, done.returncode) == (line, 0), done.stderr
            assert "Traceback" not in done.stderr
    assert (tmp_path / "conversation.jsonl").read_text()
    assert service.logged("request failed") == []
