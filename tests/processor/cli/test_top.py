"""`processor top` in a terminal, and what its screen looks like."""

from __future__ import annotations

from dataclasses import replace
from signal import SIGINT, SIGTERM
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from processor.cli.top_screen import screen
from processor.operating.consumers import Consumer
from processor.operating.queue import Queue
from processor.operating.top.history import View
from processor.operating.top.rates import Rates
from processor.operating.top.sample import Counters, Sample, Working
from telemetry.chassis.operating.instances import Instance
from tests.support.servers import GROUP
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer
    from processor.operating.access import StreamAccess
    from tests.support.operators import Commands

LONG = "telemetry:" + 90 * "x"
ACCESS = cast(
    "StreamAccess",
    SimpleNamespace(names=SimpleNamespace(stream=LONG, group=GROUP), where="redis.example:6379"),
)
BUSY = Queue(
    length=10**6,
    entries_added=10**9,
    last_id="1-0",
    last_entry_age_s=0.1,
    group_exists=True,
    lag=None,
    pending=123_456,
    oldest_pending_age_s=90_000.0,
)
RATES = Rates(100_000.0, 99_999.0, 1.0, 0.0, None, 7, 0.012, float("inf"))


def working(number: int) -> Working:
    instance = Instance(
        instance_id=f"{number}-{LONG}",
        consumer=f"processor-{number}",
        version="1",
        host=LONG,
        pid=1,
        started_at="2026-05-01T00:00:00.000Z",
        phase="running",
        in_flight=100_000,
        ledger={},
        log_level="info",
    )
    return Working(instance, None if number % 2 else Counters(10**9, {}, 10**9, (), 0.0))


def view(many: int) -> View:
    sample = Sample(
        at_s=1.0,
        queue=BUSY,
        consumers=[Consumer(f"{n}-{LONG}\x1b[31m", n, 10**9, live=True) for n in range(many)],
        working=[working(n) for n in range(many)],
        dead_letters=many,
        dead_letters_by_code={f"code_{n}": n for n in range(many)},
    )
    return View(sample, [RATES] * 300, [5, None] * 150, "redis.example:6379: " + LONG)


def lines_of(shown: View, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(screen(shown, ACCESS, width=width, height=height))
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60)])
@pytest.mark.parametrize("many", [0, 1, 3, 100])
def test_the_screen_fits_however_much_there_is(width: int, height: int, many: int) -> None:
    lines = lines_of(view(many), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)
    text = "\n".join(lines)
    for word in ("published", "100,000 /s", "lag", "over 1,000,000", "pending", "dead letters"):
        assert word in text
    if many == 100:
        assert f"and {100 - text.count('-telemetry')} more" not in text
        assert "more" in text


def test_what_is_wrong_stands_below_the_title() -> None:
    well = view(1)
    assert "no answer: Redis at redis.example" in lines_of(well, 80, 24)[1]
    for queue, words in (
        (replace(BUSY, length=None), "the stream does not exist"),
        (replace(BUSY, group_exists=False), "the group does not exist"),
    ):
        shown = replace(well, error=None, sample=replace(well.sample, queue=queue))
        assert words in lines_of(shown, 80, 24)[1]
    alone = replace(well, error=None, sample=replace(well.sample, working=[]))
    assert "no instance answers" in lines_of(alone, 80, 24)[1]


@pytest.fixture
def stream(redis_client: Redis, stream_name: str) -> str:
    redis_client.xgroup_create(stream_name, GROUP, id="0", mkstream=True)
    redis_client.xadd(stream_name, {"n": 1})
    return stream_name


def test_it_follows_the_queue_and_the_size_until_q(
    commands: Commands, redis_client: Redis, stream: str
) -> None:
    with Terminal(commands.environment, "top") as terminal:
        lines = terminal.until_shown(stream, "no instance answers", "lag")
        assert len(lines) == 24
        redis_client.xreadgroup(GROUP, "somebody", {stream: ">"})
        terminal.until_shown("somebody")
        terminal.resize(40, 132)
        assert len(terminal.until_shown("somebody", columns=132)) == 40
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.is_as_before


@pytest.mark.parametrize(("signal", "code"), [(SIGINT, 130), (SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    commands: Commands, stream: str, signal: Any, code: int
) -> None:
    with Terminal(commands.environment, "top") as terminal:
        terminal.until_shown(stream)
        terminal.process.send_signal(signal)
        assert terminal.end() == code
        assert terminal.is_as_before


def test_an_outage_is_shown_and_waited_for(
    commands: Commands, redis_server: RedisServer, stream: str
) -> None:
    with Terminal(commands.environment, "top") as terminal:
        terminal.until_shown(stream)
        redis_server.process.kill()
        terminal.until_shown("no answer: Redis at")
        redis_server.process.restore()
        terminal.output = ""
        terminal.until_shown("no instance answers")
        terminal.type("Q")
        assert terminal.end() == 0


def test_without_a_terminal_it_names_status(commands: Commands) -> None:
    ended = commands("top")
    assert (ended.code, ended.out) == (2, "")
    assert "`processor status`" in ended.err


@pytest.mark.parametrize(("url", "code"), [("redis://127.0.0.1:1", 4), ("nonsense", 78)])
def test_what_cannot_be_asked_at_the_start_draws_nothing(
    commands: Commands, url: str, code: int
) -> None:
    with Terminal({**commands.environment, "REDIS_URL": url}, "top") as terminal:
        assert terminal.end() == code
        assert terminal.output == ""
