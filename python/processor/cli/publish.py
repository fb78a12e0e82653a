"""`processor publish`: replay captured traffic into the stream, or show what it would publish."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from processor.operating.publish.report import Summary, json_lines, refusal_text, with_progress
from processor.operating.publish.sending import Pace, send
from telemetry.chassis.errors import ConfigError, RedisError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.stream.imei import is_imei
from telemetry.stream.replay import DEVICE_ID_DEFAULT, STANDARD_INPUT, Replay, Replayed, ReplayPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

_STREAM_DEFAULT = "telemetry:teltonika"
_ENTRIES_MAX_DEFAULT = 1_000_000

_EXIT_DONE, _EXIT_REFUSED, _EXIT_MISUSE, _EXIT_INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = """\
Decodes recorded Teltonika TCP conversations (codec 8, 8E and 16) and appends their records to the
Redis stream, in order, as tcp-ingestion does. A recording holds what devices sent, without the server's
answers: whole messages in hex, one or more a line, or the raw bytes of a connection. Its first bytes show
which it is. A login sets the device of the frames behind it, pings are skipped, and zero padding behind a
frame does no harm; the summary counts all three.

A frame is published whole or refused whole. A refused one is reported with its line (in a raw recording:
the number of the frame), a code and the byte offset, and the others go on. A line that is not hex is
refused as bad_preamble, one that ends within a byte as truncated."""

_EPILOG = """\
examples:
  processor publish drive.hex                               publish a capture
  processor publish --dry-run drive.hex | head              what would be published, as JSON lines
  processor publish --repeat 10 drive.hex                   the same records ten times: 9 in 10 are duplicates
  processor publish --repeat 10 --new-devices drive.hex     ten devices drive the same way: every round is new
  processor publish --rate 1000 --repeat 100 drive.hex      1,000 records a second
  zcat drive.hex.gz | processor publish -                   from standard input

environment: REDIS_URL (not needed by --dry-run); REDIS_TELEMETRY_STREAM, the default of --stream
exit codes: 0 done, 1 at least one frame was refused, 2 wrong arguments or unreadable file,
  4 Redis is unreachable or refuses, 78 REDIS_URL is missing or wrong, 130 interrupted"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the subcommand `publish`, whose `command` is `run`."""
    parser = subparsers.add_parser(
        "publish",
        help="replay captured Teltonika frames into the stream",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="recording to read; - is standard input")
    add(
        "--device-id",
        type=_imei,
        metavar="IMEI",
        help="the device of all frames, 15 digits; wins over the logins in a recording"
        f" (default: the login before the frame, {DEVICE_ID_DEFAULT} where there is none)",
    )
    add("--stream", metavar="NAME", help=f"default REDIS_TELEMETRY_STREAM, else {_STREAM_DEFAULT}")
    add(
        "--maxlen",
        type=_entries,
        default=_ENTRIES_MAX_DEFAULT,
        metavar="ENTRIES",
        help="trim the stream to about this length (MAXLEN ~); 0 never trims (default %(default)s)",
    )
    add(
        "--rate",
        type=_rate,
        metavar="PER_SECOND",
        help="records a second (default: as fast as it goes)",
    )
    add(
        "--repeat",
        type=_rounds,
        default=1,
        metavar="N",
        help="replay all files N times; repeats are the same records again, hence duplicates",
    )
    add(
        "--new-devices",
        action="store_true",
        help="each round of --repeat has other devices (the IMEIs' serial numbers go up), so that its rows are new",
    )
    add(
        "--dry-run",
        action="store_true",
        help="publish nothing and print one JSON object a line for each record, and for each frame without records",
    )
    add("--json", action="store_true",
        help="print refused frames as JSON lines, and the summary as the last one, on standard output")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Publishes, or shows, the files of the command line; the exit code."""
    problem = _misuse(arguments)
    if problem:
        return _fail(problem, _EXIT_MISUSE)
    plan = ReplayPlan(
        files=tuple(arguments.files),
        device_id=arguments.device_id,
        rounds=arguments.repeat,
        new_devices=arguments.new_devices,
    )
    try:
        return _dry_run(plan) if arguments.dry_run else _publish(plan, arguments)
    except ConfigError as error:
        return _fail(str(error), ExitCode.BAD_CONFIGURATION)
    except RedisError as error:
        return _fail(f"Redis at {error}", ExitCode.UNREACHABLE)
    except OSError as error:
        return _fail(f"cannot read {error.filename}: {error.strerror}", _EXIT_MISUSE)


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
        _discard_standard_output()
    counts = replay.counts
    summary = Summary(counts, counts.records, time.monotonic() - started, None, interrupted)
    _tell(summary.as_text())
    return _exit_code(summary)


def _publish(plan: ReplayPlan, arguments: argparse.Namespace) -> int:
    # Imported late: the client library takes longer than a dry run does.
    from telemetry.stream.publisher import StreamPublisher, Target  # noqa: PLC0415

    stream = arguments.stream or os.environ.get("REDIS_TELEMETRY_STREAM") or _STREAM_DEFAULT
    replay = Replay(plan)
    frames = _refusals_reported(with_progress(replay), plan, as_json=arguments.json)
    interrupted = False
    with StreamPublisher(_redis_url(), Target(stream, arguments.maxlen)) as publisher:
        publisher.connect()
        started = time.monotonic()
        try:
            send(frames, publisher, Pace(arguments.rate))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            # Also where Redis fails on the way: what was published before is in the stream.
            seconds = time.monotonic() - started
            summary = Summary(replay.counts, publisher.published, seconds, stream, interrupted)
            _print_summary(summary, as_json=arguments.json)
    return _exit_code(summary)


def _refusals_reported(
    frames: Iterator[Replayed], plan: ReplayPlan, *, as_json: bool
) -> Iterator[Replayed]:
    for replayed in frames:
        text = refusal_text(replayed)
        if text and as_json:
            for line in json_lines(replayed, name_file=len(plan.files) > 1):
                _print_json(line)
        elif text:
            _tell(text)
        yield replayed


def _print_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        _print_json(summary.as_json())
    else:
        _tell(summary.as_text())


def _print_json(line: str) -> None:
    """Prints at once. A reader that went away does not stop the publishing."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_standard_output()


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _discard_standard_output() -> None:
    """Lets the interpreter's last flush succeed after a closed pipe (documented for the module signal)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code(summary: Summary) -> int:
    if summary.interrupted:
        return _EXIT_INTERRUPTED
    return _EXIT_REFUSED if summary.counts.refused else _EXIT_DONE


def _redis_url() -> str:
    url = os.environ.get("REDIS_URL")
    if not url:
        raise ConfigError("REDIS_URL is not set: name the server, as in redis://127.0.0.1:6379/0")
    return url


def _misuse(arguments: argparse.Namespace) -> str | None:
    if STANDARD_INPUT in arguments.files and arguments.repeat > 1:
        return "standard input can be read once only: --repeat needs files"
    for file in arguments.files:
        if file != STANDARD_INPUT and Path(file).is_dir():
            return f"cannot read {file}: it is a directory"
        if file != STANDARD_INPUT and not os.access(file, os.R_OK):
            return f"cannot read {file}: no such file, or no permission"
    return None


def _fail(message: str, code: int) -> int:
    _tell(f"processor publish: {message}")
    return code


def _imei(text: str) -> str:
    if not is_imei(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an IMEI of 15 digits")
    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records above 0")
    return rate


def _rounds(text: str) -> int:
    return _integer_from(1, text)


def _entries(text: str) -> int:
    return _integer_from(0, text)


def _integer_from(least: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
    return int(text)
