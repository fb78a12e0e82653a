"""`processor top`: the service, live."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from telemetry.chassis.cli import MISUSE, Failed

if TYPE_CHECKING:
    from processor.operating.access import StreamAccess
    from processor.operating.top.history import History

# How often the screen is drawn; also how soon a change of its size is seen.
_DRAWN_EVERY_S: Final = 0.25

_EPILOG = """\
\b
Example:
  processor top

Environment: REDIS_URL; REDIS_TELEMETRY_STREAM, REDIS_CONSUMER_GROUP, REDIS_DLQ_STREAM, REDIS_CONTROL_CHANNEL

Exit codes: 0 ended by q, 2 this is no terminal, 4 Redis is unreachable or refuses at the start, 78 bad configuration,
130 interrupted"""


@click.command(epilog=_EPILOG)
def top() -> None:
    """Watch the service live, in a terminal.

    Shows what was published, read and written in each second, how long writes take, the lag, what is pending, dead
    letters and instances. q ends it. It asks once a second, and changes nothing.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed("this is no terminal; `processor status` prints everything once", MISUSE)
    # Imported late: a misuse is said at once.
    from processor.operating.access import open_stream  # noqa: PLC0415
    from processor.operating.top.history import History  # noqa: PLC0415
    from processor.operating.top.sampling import Sampler, SamplingThread  # noqa: PLC0415

    with open_stream(os.environ) as access:
        sampler = Sampler(access)
        history = History(sampler.take())
        sampling = SamplingThread(sampler, history.take, history.fail)
        # The screen is put back before the process ends.
        signal.signal(signal.SIGTERM, _end)
        sampling.start()
        try:
            _draw_until_q(access, history)
        finally:
            sampling.end()


def _draw_until_q(access: StreamAccess, history: History) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from processor.cli.top_screen import screen  # noqa: PLC0415
    from telemetry.chassis.cli.keys import typed_keys  # noqa: PLC0415

    console = Console(highlight=False)

    def drawn() -> object:
        size = console.size
        return screen(history.view, access, width=size.width, height=size.height)

    with typed_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(), refresh=True)  # type: ignore[arg-type]
            if "q" in keys(_DRAWN_EVERY_S).lower():
                return


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
