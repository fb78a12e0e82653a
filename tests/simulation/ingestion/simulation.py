"""The simulation that lives share: Redis, the devices, and what they must see of each other."""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import trio

from ingestion.config import Config, load_config
from tests.simulation.ingestion.device import Call, Device
from tests.simulation.ingestion.life import Life
from tests.simulation.ingestion.redis import SimulatedRedis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.checkpoints import Checkpoints
    from tests.simulation.ingestion.frames import Frame

STREAM = "telemetry:teltonika"
ENVIRONMENT = {
    "REDIS_URL": "unix:///simulated/redis.sock",
    "REDIS_TELEMETRY_STREAM": STREAM,
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "LOGIN_TIMEOUT_MS": "3000",
    "FRAME_TIMEOUT_MS": "3000",
    "DRAIN_BUDGET_MS": "2000",
    "CONNECT_ATTEMPTS": "100000",
    "CONNECT_BACKOFF_MAX_MS": "400",
    "MAX_CONNECTIONS": "100",
    "QUARANTINE_AFTER": "3",
}


@cache
def _config(env: tuple[tuple[str, str], ...]) -> Config:
    return load_config({**ENVIRONMENT, **dict(env)})


@dataclass
class Simulation:
    """Made inside a Trio run, in the nursery that its lives and devices run in."""

    nursery: trio.Nursery
    checkpoints: Checkpoints
    env: Mapping[str, str] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    # Violations that were seen when they happened.
    wrongs: list[str] = field(default_factory=list)
    is_finished: bool = False
    # When Redis last was away, frozen, slow or refusing; infinite while it is.
    _redis_failed_at: float = -math.inf

    def __post_init__(self) -> None:
        self.redis = SimulatedRedis()
        self.nursery.start_soon(self.redis.run)

    def start(self) -> Life:
        """Begin a life."""
        life = Life(self, _config(tuple(self.env.items())))
        self.lives.append(life)
        self.nursery.start_soon(life.run)
        return life

    def add_devices(self, count: int) -> list[Device]:
        """So many devices more, which call at once and again and again."""
        added = [Device(self, len(self.devices) + number) for number in range(count)]
        self.devices += added
        for device in added:
            self.nursery.start_soon(device.run)
        return added

    def dial(self) -> Call | None:
        """A new connection of a device to the last life; None if it is not taken."""
        listening = self.lives[-1].listening if self.lives else None
        if listening is None or listening.fileno() < 0:
            return None
        far = socket.socket(socket.AF_UNIX)
        far.settimeout(0)
        far.connect(listening.getsockname())
        return Call(trio.socket.from_stdlib_socket(far), self.lives[-1])

    @property
    def subject(self) -> Life:
        """The life under test: the first one."""
        return self.lives[0]

    @property
    def living(self) -> list[Life]:
        """The lives that go on."""
        return [life for life in self.lives if not life.has_ended]

    @property
    def is_settled(self) -> bool:
        """Whether every device got through."""
        return all(device.is_content for device in self.devices)

    def redis_goes_away(self) -> None:
        """Every connection breaks, and none is accepted."""
        self.redis.go_away()
        self._redis_failed_at = math.inf

    def redis_freezes(self) -> None:
        """Connections stay, and nothing is answered."""
        self.redis.freeze()
        self._redis_failed_at = math.inf

    def redis_slows_down(self) -> None:
        """Each command takes a while."""
        self.redis.delay_s = 0.1
        self._redis_failed_at = math.inf

    def redis_refuses(self, refusal: bytes) -> None:
        """No entry is taken."""
        self.redis.refusal = refusal
        self._redis_failed_at = math.inf

    def redis_fails_over(self) -> None:
        """The roles change, and the old connections lead to a replica."""
        self.redis.fail_over()
        self._redis_failed_at = max(self._redis_failed_at, trio.current_time())

    def redis_recovers(self) -> None:
        """Redis answers at once, and takes entries."""
        self.redis.recover()
        self._redis_failed_at = min(self._redis_failed_at, trio.current_time())

    def redis_has_been_well_since(self, time_s: float) -> bool:
        """Whether it has answered since then, without delay or refusal."""
        return self._redis_failed_at < time_s

    def wrong(self, what: str) -> None:
        """Note a violation when it happens."""
        self.wrongs.append(what)

    def check_answered(self, device: Device, frame: Frame) -> None:
        """A frame was answered: at this moment each of its records must be in the stream, whole."""
        if frame.is_refused:
            kept = [each.fields["hex"] for each in self.redis.entries if "hex" in each.fields]
            if frame.data.hex() not in kept:
                self.wrong(f"a frame of {device.imei} was answered, and is not in the quarantine")
            return
        stored = [each.fields for each in self.redis.entries if each.stream == STREAM]
        if any(fields not in stored for fields in frame.entries(device.imei)):
            self.wrong(f"a frame of {device.imei} was answered, and is not in the stream")

    def check_end(self, device: Device, call: Call) -> None:
        """The server has ended a connection: only a stop, or what the device sent, is a reason."""
        if call.is_refused or call.life.is_killed or call.life.asked_at is not None:
            return
        self.wrong(f"the connection of {device.imei} was ended without a reason")

    def check_abandoned(self, device: Device) -> None:
        """The device has logged in again: what it has abandoned must be closed."""
        for call in device.abandoned:
            if not call.life.has_ended and not _is_ended(call.far):
                self.wrong(f"an older connection of {device.imei} is still open")
            call.far.close()
        device.abandoned.clear()


def _is_ended(far: trio.socket.SocketType) -> bool:
    """Whether the other side has closed; an answer may have come before."""
    raw = socket.socket(fileno=socket.dup(far.fileno()))
    with raw:
        try:
            while raw.recv(100):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
    return True
