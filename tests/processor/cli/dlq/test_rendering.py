"""A letter as a page: readable, harmless to a terminal, and with commands that run as they stand."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.cli.dlq.rendering import as_page, indented_json
from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER
from processor.operating.dead_letters.letters import parse_letter
from processor.operating.dead_letters.remedies import remedy_of
from telemetry._codec import DECODE_CODES
from tests.support.dead_letters import ORIGINAL, SAID
from tests.support.processes import PROCESSOR

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dead_letters import Queue

CODES = (*DECODE_CODES, REFUSED_BY_SERVER, NO_ANSWER)
DEAD_AT_MS = 1_777_627_980_000
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\{}[]:, \n\xe9', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


def page(**changes: str | bytes) -> str:
    flat: list[bytes] = []
    for name, value in {**ORIGINAL, **SAID, **changes}.items():
        flat += [name.encode(), value if isinstance(value, bytes) else value.encode()]
    return as_page(parse_letter(b"1777627980000-0", flat), DEAD_AT_MS + 240_000)


@given(VALUES)
def test_json_is_indented_as_everywhere(value: Any) -> None:
    lines = indented_json(json.dumps(value, separators=(",", ":")).encode())
    assert lines == json.dumps(value, indent=2).split("\n")


def test_its_values_are_shown_as_they_were_written() -> None:
    text = '{"a" : 1.10,"a":1e400, "b":"\\u0000 ü"}'
    assert indented_json(text.encode()) == [
        "{", '  "a": 1.10,', '  "a": 1e400,', '  "b": "\\u0000 ü"', "}"
    ]  # fmt: skip
    long = "9" * 6_000
    assert indented_json(long.encode()) == [long]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000, b"{} {}"])
def test_what_is_no_json_is_not_taken_for_it(text: bytes) -> None:
    assert indented_json(text) is None


def test_the_page_says_when_it_died_why_and_what_was_published() -> None:
    lines = page().splitlines()
    assert lines[0] == "letter           1777627980000-0  (4 min ago)"
    assert "code             bad_json" in lines
    assert "sqlstate         -" in lines
    at = lines.index("original fields")
    assert lines[at + 1 : at + 7] == [
        "  ts: 2026-05-01T09:30:00.000Z",
        "  device_id: 356307042441013",
        "  codec: 8E",
        "  payload: {",
        '    "speed": 1.10',
        "  }",
    ]


def test_nothing_in_it_steers_a_terminal() -> None:
    shown = page(payload=b'{"a\x1b[31m\x9b', note=b"\xff\x00\r\n", dlq_error="\x1b]0;title\x07")
    assert all(each.isprintable() for line in shown.split("\n") for each in line)
    assert r'payload: {"a\x1b[31m\x9b' in shown
    assert r"note: \xff\x00\r\n" in shown


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_a_remedy_of_its_own_kind(code: str) -> None:
    assert remedy_of(code, "1-1") != remedy_of("of_a_later_version", "1-1")


def test_their_commands_run_as_they_stand(queue: Queue, tmp_path: Path) -> None:
    letter_id = queue.add()
    codes = (*CODES, "of_a_later_version")
    commands = {command for code in codes for command in remedy_of(code, letter_id).commands}
    assert len(commands) == 4
    for command in commands:
        # They exclude each other.
        queue.redis.delete(queue.dead)
        queue.add(letter_id=letter_id)
        (tmp_path / f"{letter_id}.json").write_text("{}")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"PATH": f"{PROCESSOR.parent}:/usr/bin:/bin", **queue.environ},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
