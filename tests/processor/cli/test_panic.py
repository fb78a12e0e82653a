"""`processor panic show`: a dump for a person or a program, and clear words about any other file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from processor.cli import main
from processor.config import load_config
from processor.journal import SERVICE
from processor.service.assembly import dump_options
from processor.service.crash_sections import PARTS, SECTIONS
from telemetry.chassis.crash import DUMP_BYTES_MAX, format_of
from telemetry.chassis.crash.document import document
from telemetry.chassis.crash.sections import BlackBox

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgresql://u:hush@h/d"}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.json"
    options = dump_options(load_config(ENVIRONMENT))
    path.write_bytes(document(MemoryError("m"), BlackBox(*SECTIONS), options))
    return path


def changed(dump: Path, **sections: Any) -> Path:
    dump.write_text(json.dumps({**json.loads(dump.read_text()), **sections}))
    return dump


def test_a_person_reads_what_happened_and_what_to_do(
    dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["panic", "show", str(dump)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("processor-1 crashed at 20")
    assert [part.title for part in PARTS if f"\n{part.title}\n" in shown] == [
        part.title for part in PARTS
    ]
    assert "Memory ran out" in shown
    assert "all tasks had ended" in shown


def test_json_prints_it_as_it_is(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panic", "show", "--json", str(dump)]) == 0
    assert capsys.readouterr().out == dump.read_text()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "damaged"),
        (b'{"format": "processor-panic/1"', "damaged"),
        (b"\x00\xff", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[1]", "of another kind"),
        (b'{"format": 1}', "of another kind"),
        (b'{"name": "x"}', "of another kind"),
        (b'{"format": "processor-panic/9"}', "another version"),
        (b"0" * (DUMP_BYTES_MAX + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_dump_is_reported_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, complaint: str
) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    assert main(["panic", "show", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"processor panic: {path} ")
    assert complaint in said.err


def test_a_file_that_cannot_be_read_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["panic", "show", str(tmp_path / "none")]) == 2
    assert main(["panic", "show", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"processor panic: cannot read {tmp_path / 'none'}: No such file or directory",
        f"processor panic: cannot read {tmp_path}: Is a directory",
    ]


@pytest.mark.parametrize("arguments", [["panic"], ["panic", "show"], ["panic", "dance"]])
def test_misuse_ends_with_2(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["panic", "show", "--help"]) == 0
    assert "Examples:" in capsys.readouterr().out


@pytest.mark.parametrize("value", [None, 7, "x", [], [[]], {}, {"trimmed": 9, "excerpt": "x"}])
def test_sections_that_are_not_as_they_should_be_are_shown_as_they_are(
    dump: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    names = [name for name in json.loads(dump.read_text()) if name != "format"]
    assert main(["panic", "show", str(changed(dump, **dict.fromkeys(names, value)))]) == 0
    assert capsys.readouterr().out.count("\n") > len(PARTS)


def test_a_dump_without_sections_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare"
    path.write_text(json.dumps({"format": format_of(SERVICE)}))
    assert main(["panic", "show", str(path)]) == 0
    assert "What to do" in capsys.readouterr().out


def test_control_characters_do_not_reach_the_terminal(
    dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["panic", "show", str(changed(dump, error="\x1b[31mred"))]) == 0
    assert "\\x1b[31mred" in capsys.readouterr().out
