"""`processor publish`: replay captured traffic into the stream, or show what it would publish."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from processor.operating.pace import Pace
from processor.operating.publish.report import Summary, json_lines, refusal_text, with_progress
from processor.operating.publish.sending import send
from telemetry.chassis.cli import (
    INTERRUPTED,
    MISUSE,
    Failed,
    discard_standard_output,
    print_at_once,
    say,
)
from telemetry.chassis.cli.rate import rate_option
from telemetry.chassis.config.sources import files_read
from telemetry.chassis.errors import ConfigError, RedisError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.stream.imei import is_imei
from telemetry.stream.replay import DEVICE_ID_DEFAULT, STANDARD_INPUT, Replay, Replayed, ReplayPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

_STREAM_DEFAULT = "telemetry:teltonika"
_ENTRIES_MAX_DEFAULT = 1_000_000

_EXIT_DONE, _EXIT_REFUSED = 0, 1

_EPILOG = """\
\b
Examples:
  processor publish drive.hex                            # publish a capture
  processor publish --dry-run drive.hex | head           # what would be published, as JSON lines
  processor publish --repeat 10 drive.hex                # the same records ten times
  processor publish --repeat 10 --new-devices drive.hex  # each round has other devices
  processor publish --rate 1000 --repeat 100 drive.hex   # 1,000 records a second
  zcat drive.hex.gz | processor publish -                # from standard input

Environment: REDIS_URL or REDIS_URL_FILE (not needed by --dry-run); REDIS_TELEMETRY_STREAM, the default of --stream

Exit codes: 0 done, 1 at least one frame was refused, 2 wrong arguments or unreadable file, 4 Redis is unreachable or
refuses, 78 REDIS_URL is missing or wrong, 130 interrupted"""


class _Imei(click.ParamType[str]):
    """A device's 15 digits."""

    name = "imei"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not is_imei(str(value)):
            self.fail(f"{value!r} is not an IMEI of 15 digits", param, ctx)
        return str(value)


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where the records go, and how."""

    stream: str | None
    entries_max: int
    rate: float | None
    as_json: bool


@click.command(epilog=_EPILOG)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)
@click.option(
    "--device-id",
    type=_Imei(),
    show_default=f"the login before the frame, else {DEVICE_ID_DEFAULT}",
    help="The device of all frames, 15 digits; wins over the logins in a recording.",
)
@click.option(
    "--stream", metavar="NAME", help=f"Default: REDIS_TELEMETRY_STREAM, else {_STREAM_DEFAULT}."
)
@click.option(
    "--maxlen",
    "entries_max",
    type=click.IntRange(min=0),
    default=_ENTRIES_MAX_DEFAULT,
    metavar="ENTRIES",
    help="Trim the stream to about this length (MAXLEN ~); 0 never trims.",
)
@rate_option("records")
@click.option(
    "--repeat",
    "rounds",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Replay all files N times; repeats are the same records again, hence duplicates.",
)
@click.option(
    "--new-devices",
    is_flag=True,
    help="Each round of --repeat has other devices (the IMEIs' serial numbers go up), so that its rows are new.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Publish nothing; print a JSON object a line for each record, and for each frame without records.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print refused frames as JSON lines, and the summary as the last one, on standard output.",
)
def publish(  # noqa: PLR0913  # one for each option
    *,
    files: tuple[str, ...],
    device_id: str | None,
    stream: str | None,
    entries_max: int,
    rate: float | None,
    rounds: int,
    new_devices: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Publish captured Teltonika frames as tcp-ingestion would.

    Decodes recorded Teltonika TCP conversations (codec 8, 8E and 16) and appends their records to the Redis stream, in
    order. A recording holds what devices sent, without the server's answers: whole messages in hex, one or more a line,
    or the raw bytes of a connection. Its first bytes show which it is. A login sets the device of the frames behind it,
    pings are skipped, and zero padding behind a frame does no harm; the summary counts all three.

    A frame is published whole or refused whole. A refused one is reported with its line (in a raw recording: the number
    of the frame), a code and the byte offset, and the others go on. A line that is not hex is refused as bad_preamble,
    one that ends within a byte as truncated.
    """
    if STANDARD_INPUT in files and rounds > 1:
        raise click.UsageError("Standard input can be read once only: --repeat needs files.")
    plan = ReplayPlan(files=files, device_id=device_id, rounds=rounds, new_devices=new_devices)
    try:
        if dry_run:
            return _dry_run(plan)
        return _publish(plan, _Destination(stream, entries_max, rate, as_json))
    except RedisError as error:
        raise Failed(f"Redis at {error}", ExitCode.UNREACHABLE) from error
    except OSError as error:
        raise Failed(f"cannot read {error.filename}: {error.strerror}", MISUSE) from error


def _dry_run(plan: ReplayPlan) -> int:
    replay = Replay(plan)
    started = time.monotonic()
    interrupted = False
    try:
        for replayed in replay:
            for line in json_lines(replayed, name_file=len(plan.files) > 1):
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except KeyboardInterrupt:
        interrupted = True
    except BrokenPipeError:
        # The reader has seen enough, as `head` does.
        discard_standard_output()
    counts = replay.counts
    summary = Summary(counts, counts.records, time.monotonic() - started, None, interrupted)
    say(summary.as_text())
    return _exit_code(summary)


def _publish(plan: ReplayPlan, destination: _Destination) -> int:
    # Imported late: the client library takes longer than a dry run does.
    from telemetry.stream.publisher import StreamPublisher, Target  # noqa: PLC0415

    stream = destination.stream or os.environ.get("REDIS_TELEMETRY_STREAM") or _STREAM_DEFAULT
    replay = Replay(plan)
    frames = _refusals_reported(with_progress(replay), plan, as_json=destination.as_json)
    interrupted = False
    with StreamPublisher(_redis_url(), Target(stream, destination.entries_max)) as publisher:
        publisher.connect()
        started = time.monotonic()
        try:
            send(frames, publisher, Pace(destination.rate))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            # Also where Redis fails on the way: what was published before is in the stream.
            seconds = time.monotonic() - started
            summary = Summary(replay.counts, publisher.published, seconds, stream, interrupted)
            _print_summary(summary, as_json=destination.as_json)
    return _exit_code(summary)


def _refusals_reported(
    frames: Iterator[Replayed], plan: ReplayPlan, *, as_json: bool
) -> Iterator[Replayed]:
    for replayed in frames:
        text = refusal_text(replayed)
        if text and as_json:
            for line in json_lines(replayed, name_file=len(plan.files) > 1):
                print_at_once(line + "\n")
        elif text:
            say(text)
        yield replayed


def _print_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print_at_once(summary.as_json() + "\n")
    else:
        say(summary.as_text())


def _exit_code(summary: Summary) -> int:
    if summary.interrupted:
        return INTERRUPTED
    return _EXIT_REFUSED if summary.counts.refused else _EXIT_DONE


def _redis_url() -> str:
    url = files_read(os.environ, "REDIS_URL").get("REDIS_URL")
    if not url:
        raise ConfigError("REDIS_URL is not set: name the server, as in redis://127.0.0.1:6379/0")
    return url
