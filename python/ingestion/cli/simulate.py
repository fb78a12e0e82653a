"""`tcp-ingestion simulate`: play devices against a server, and measure its answers."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from ingestion.simulating.assembly import Server
from ingestion.simulating.assembly import simulate as run_simulation
from ingestion.simulating.frames import read_recording
from ingestion.simulating.plan import SimulationPlan
from ingestion.simulating.simulation import SILENCE_S_MAX
from ingestion.simulating.tally import RecordLog, Tally
from telemetry.chassis.cli import INTERRUPTED, json_option, print_json, say
from telemetry.chassis.cli.rate import rate_option
from telemetry.chassis.cli.tables import progress
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.simulating.frames import Recording
    from ingestion.simulating.report import Summary

_EXIT_DONE, _EXIT_NOT_ALL = 0, 1
# Beyond the connections: files, and what the event loop needs.
_OTHER_DESCRIPTORS = 64
_DEVICES_MAX = 20_000
_SECONDS_DEFAULT = 10.0

_EPILOG = """\
\b
Examples:
  tcp-ingestion simulate --devices 100 127.0.0.1:5027        # ten seconds, at full speed
  tcp-ingestion simulate --devices 5000 --rate 500 --seconds 60 127.0.0.1:5027
  tcp-ingestion simulate --capture drive.hex 127.0.0.1:5027  # a recording, once
  tcp-ingestion simulate --devices 50 --bad-share 0.01 --reconnect-share 0.1 127.0.0.1:5027
  tcp-ingestion simulate --rate 10 --json 127.0.0.1:5027 | jq .answer_ms_p99

Exit codes: 0 done, 1 a frame was left unanswered or an answer was wrong, 2 wrong arguments or unreadable file, 4 nobody
listens or answers, 130 interrupted"""


class _HostAndPort(click.ParamType[tuple[str, int]]):
    """`host:port`, with brackets around an IPv6 address."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
            self.fail(f"{value!r} is not HOST:PORT, as in 127.0.0.1:5027", param, ctx)
        return host, int(port)


def _share_option(name: str, what: str) -> Callable[[Any], Any]:
    return click.option(name, type=click.FloatRange(0, 1), default=0.0, metavar="SHARE", help=what)


@click.command(epilog=_EPILOG)
@click.argument("server", metavar="HOST:PORT", type=_HostAndPort())
@click.option(
    "--devices", type=click.IntRange(1, _DEVICES_MAX), default=1, metavar="N", help="Devices."
)
@rate_option(
    "frames of all devices together", metavar="FRAMES_PER_SECOND", unlimited="as answers come"
)
@click.option(
    "--capture",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Send the frames of this recording. Default: generated positions.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    metavar="S",
    show_default=f"once through the recording, or {_SECONDS_DEFAULT:g}",
    help="Send for so long; a recording again and again, with later times.",
)
@_share_option("--resend-share", "Answered frames that are sent again, as after a wrong answer.")
@_share_option("--bad-share", "Frames that arrive damaged, with a wrong checksum.")
@_share_option(
    "--reconnect-share", "Answered frames after which the device comes back over a new link."
)
@click.option(
    "--answered",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write each answered record as a JSON line: device_id, ts.",
)
@click.option(
    "--sent",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="The same for each record before it is sent.",
)
@json_option
def simulate(  # noqa: PLR0913  # one for each option
    *,
    server: tuple[str, int],
    devices: int,
    rate: float | None,
    capture: Path | None,
    seconds: float | None,
    answered: Path | None,
    sent: Path | None,
    as_json: bool,
    **shares: float,
) -> int:
    """Play devices that keep the protocol's rules, against any server.

    Each device logs in, has one frame in flight, and goes on when the answer has the right number. After a wrong number
    it sends the frame again; without an answer for five seconds it closes the link and sends the frame again over a new
    one. After thirty seconds with nothing to send it sends a ping. An answer is measured from when its frame was due.

    The devices are test equipment (IMEIs that begin with 00998): no vehicle has such an IMEI. With a recording the
    first device sends it as it was, and each other one elsewhere and later.
    """
    if seconds is None and capture is None:
        seconds = _SECONDS_DEFAULT
    _make_room_for(devices)
    plan = SimulationPlan(devices=devices, rate=rate, seconds=seconds, **shares)
    recording = read_recording(capture) if capture else None
    if recording is not None and not recording.frames:
        raise click.UsageError(f"{capture} holds no frame that a device could send.")
    if recording is not None and recording.left_out:
        say(f"{capture}: {recording.left_out:,} frames left out: refused ones, and commands'")
    summary = _play(plan, recording, Server(*server), sent=sent, answered=answered)
    if as_json:
        print_json(summary.as_json())
    else:
        say(summary.as_text())
    return exit_code(summary)


def _play(
    plan: SimulationPlan,
    recording: Recording | None,
    server: Server,
    *,
    sent: Path | None,
    answered: Path | None,
) -> Summary:
    with ExitStack() as open_files:
        sent_log, answered_log = (
            RecordLog(open_files.enter_context(path.open("w", encoding="ascii"))) if path else None
            for path in (sent, answered)
        )
        tally = Tally(sent_log, answered_log)
        frames = None
        if recording is not None and plan.seconds is None:
            frames = plan.devices * len(recording.frames)
        elif plan.rate is not None and plan.seconds is not None:
            frames = round(plan.rate * plan.seconds)
        show = open_files.enter_context(progress("frames answered", frames))
        return trio.run(run_simulation, plan, recording, server, tally, show)


def exit_code(summary: Summary) -> int:
    """The command's; says why a simulation gave up."""
    if summary.ending.interrupted:
        return INTERRUPTED
    if summary.ending.gave_up:
        say(f"gave up: nothing was answered for {SILENCE_S_MAX} s")
        return ExitCode.UNREACHABLE
    return _EXIT_DONE if summary.all_answered else _EXIT_NOT_ALL


def _make_room_for(devices: int) -> None:
    """Let the process have a descriptor for each device."""
    needed = devices + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise click.UsageError(
            f"{devices:,} devices need {needed:,} file descriptors, {hard:,} are allowed (ulimit -Hn)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
