"""The log: the contract's form, values that do not serialise, libraries' lines, and readers that do not read."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.logs import BoundedOutput, configure, recent_lines
from telemetry.chassis.logs.log import RECENT_LINE_BYTES_MAX, RECENT_LINES_MAX

if TYPE_CHECKING:
    from tests.support.log_pipe import Pipe


def test_a_line_has_the_contracts_fields_in_order_and_then_its_own(pipe: Pipe) -> None:
    pipe.log().info("processor ready", metrics="h:1", n=3)
    (line,) = pipe.lines()
    assert list(line) == ["time", "level", "service", "instance_id", "msg", "metrics", "n"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "service": "processor",
        "instance_id": "i-1",
        "msg": "processor ready",
        "metrics": "h:1",
        "n": 3,
    }


def test_every_level_has_the_contracts_name(pipe: Pipe) -> None:
    log = pipe.log()
    for write in (log.trace, log.debug, log.info, log.warning, log.error, log.fatal):
        write("x")
    assert [line["level"] for line in pipe.lines()] == [
        "trace",
        "debug",
        "info",
        "warn",
        "error",
        "fatal",
    ]


@pytest.mark.parametrize(
    ("level", "heard"), [("trace", 6), ("debug", 5), ("info", 4), ("warn", 3), ("error", 2)]
)
def test_lines_below_the_level_are_not_written(pipe: Pipe, level: str, heard: int) -> None:
    log = pipe.log(level)
    for write in (log.trace, log.debug, log.info, log.warning, log.error, log.fatal):
        write("x")
    assert len(pipe.lines()) == heard


def test_a_percent_sign_in_a_message_stays_as_it_is(pipe: Pipe) -> None:
    pipe.log().info("100 % of %s")
    assert pipe.lines()[0]["msg"] == "100 % of %s"


def test_a_field_does_not_replace_a_leading_one(pipe: Pipe) -> None:
    pipe.log().info("x", level=3, time="noon")
    (line,) = pipe.lines()
    assert (line["level"], line["level_"], line["time_"]) == ("info", 3, "noon")


class Unprintable:
    """Fails to become text."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_values_that_do_not_serialise_are_written_as_text(pipe: Pipe) -> None:
    log = pipe.log()
    log.info("x", big=1 << 70, lone="\ud800", tags={"a"}, raw=b"\xff", nan=float("nan"), by={1: 2})
    (line,) = pipe.lines()
    assert (line["big"], line["lone"], line["tags"]) == (1 << 70, "\ud800", "{'a'}")
    assert line["raw"] == "b'\\xff'"


def test_values_that_do_not_even_print_leave_a_line_that_says_so(pipe: Pipe) -> None:
    log = pipe.log()
    log.warning("precious", thing=Unprintable())
    circle: list[object] = []
    circle.append(circle)
    log.warning("circle", thing=circle)
    first, second = pipe.lines()
    assert (first["level"], first["msg"], first["template"]) == (
        "warn",
        "log line unreadable",
        "'precious'",
    )
    assert second["template"] == "'circle'"


@dataclass
class Account:
    """Holds what must not be shown."""

    password: str = field(repr=False)


def test_a_dataclass_is_written_as_its_repr_which_hides_passwords(pipe: Pipe) -> None:
    pipe.log().info("x", account=Account("hush"), deep=[Account("hush")])
    assert "hush" not in pipe.text()


def test_libraries_come_out_in_the_same_form_from_warn_upwards(pipe: Pipe) -> None:
    pipe.log()
    library = logging.getLogger("some.package")
    library.info("chatter")
    try:
        int("broken")
    except ValueError:
        library.exception("it %s", "failed")
    (line,) = pipe.lines()
    assert (line["level"], line["msg"], line["logger"]) == ("error", "it failed", "some.package")
    assert "ValueError: invalid literal" in line["tree"]


@pytest.mark.parametrize(("level", "heard"), [("debug", 1), ("info", 0)])
def test_lines_of_the_chassis_obey_the_level_of_the_service(
    pipe: Pipe, level: str, heard: int
) -> None:
    pipe.log(level)
    logging.getLogger("telemetry.chassis.http").debug("a client left")
    assert len(pipe.lines()) == heard


def test_a_librarys_bad_format_string_does_not_raise(pipe: Pipe) -> None:
    pipe.log()
    logging.getLogger("some.package").warning("%d", "x")
    assert pipe.lines()[0]["template"] == "'%d'"


def test_pythons_warnings_come_out_in_the_same_form(pipe: Pipe) -> None:
    pipe.log()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = pipe.lines()
    assert (line["level"], line["logger"]) == ("warn", "py.warnings")
    assert "DeprecationWarning: old" in line["msg"]


def test_pretty_lines_show_message_and_further_fields_and_the_tree_below(pipe: Pipe) -> None:
    log = pipe.log(form="pretty")
    log.debug("batch consumed n=42", n=42, first_id="1-0", last_id=None)
    log.fatal("uncaught\nexception", tree="a\nb")
    first, *rest = pipe.text().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} debug batch consumed n=42  first_id=1-0", first)
    assert rest[0].endswith("fatal uncaught\\nexception")
    assert rest[1:] == ["a", "b"]


def test_a_pretty_line_shows_control_characters_as_escapes(pipe: Pipe) -> None:
    pipe.log(form="pretty").warning("refused", device_id="\x1b[31mred\r\u0085")
    assert pipe.text().endswith("refused  device_id=\\x1b[31mred\\r\\x85\n")


def test_configuring_again_replaces_the_first_output(pipe: Pipe) -> None:
    pipe.log()
    output = BoundedOutput(pipe.write_fd)
    configure(
        service="processor", level="info", form="json", instance_id="i-2", output=output
    ).info("once")
    assert [line["instance_id"] for line in pipe.lines()] == ["i-2"]


def test_a_reader_that_has_gone_does_not_stop_the_service(pipe: Pipe) -> None:
    log = pipe.log()
    os.close(pipe.read_fd)
    log.info("into the void")
    log.info("again")


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_a_standard_output_that_takes_nothing_does_not_stop_the_service(redirection: str) -> None:
    program = (
        "import sys; from telemetry.chassis.logs import configure; "
        "log = configure(service='processor', level='info', form='json', instance_id='i'); "
        "log.info('x'); log.info('y'); sys.exit(7)"
    )
    shell = f'exec "$0" -c "$1" {redirection}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, program], stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_reader_that_is_stuck_costs_lines_but_no_time_and_then_reads_how_many(
    pipe: Pipe,
) -> None:
    os.set_blocking(pipe.write_fd, True)  # As standard output is: a plain write would block.
    log = pipe.log()
    written = 2000
    for n in range(written):
        log.info("x" * 300, n=n)
    lines = pipe.lines()
    log.info("after")
    lines += pipe.lines()
    numbers = [line["n"] for line in lines if line["msg"].startswith("x")]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < written
    note = lines[-1]
    assert note["msg"] == (f"log lines lost n={note['n']}: standard output was not read in time")
    assert len(numbers) + note["n"] == written


def test_a_line_longer_than_a_pipe_arrives_whole_once_there_is_room(pipe: Pipe) -> None:
    log = pipe.log()
    log.info("y" * 200_000)
    head = pipe.text()
    log.info("next")
    whole = head + pipe.text()
    while whole.count("\n") < 2:
        log.info("next")
        whole += pipe.text()
    first, second, *_ = (json.loads(line) for line in whole.splitlines())
    assert (first["msg"], second["msg"]) == ("y" * 200_000, "next")


def test_the_last_lines_are_kept_as_they_were_written(pipe: Pipe) -> None:
    log = pipe.log("info")
    log.debug("not written")
    for n in range(RECENT_LINES_MAX + 1):
        log.info("x", n=n)
    assert recent_lines() == pipe.lines()[1:]


def test_last_lines_of_the_pretty_form_are_text(pipe: Pipe) -> None:
    pipe.log(form="pretty").info("processor ready")
    (line,) = recent_lines()
    assert str(line).endswith("info  processor ready")


def test_a_long_line_is_kept_up_to_a_word(pipe: Pipe) -> None:
    pipe.log(form="pretty").info("y " + "x" * RECENT_LINE_BYTES_MAX)
    (line,) = recent_lines()
    assert str(line).endswith("y")
