"""Exports: lines as `dlq show`, and a file that is whole or not there."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from tests.support.dead_letters import ended

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dead_letters import Queue, Typed


def test_each_line_is_what_show_prints(queue: Queue, dlq: Typed) -> None:
    ids = [queue.add(), queue.add(payload=b"\xff"), queue.add(dlq_code="bad_type")]
    lines = dlq("export").lines
    assert lines == [dlq("show", "--json", each).json for each in ids]
    assert dlq("export", "--json").lines == lines
    assert lines[1]["fields"]["payload"] == {"base64": "/w=="}
    assert dlq("export", "-", "--code", "bad_type").lines == lines[2:]
    assert dlq("export", "--code", "bad_json").err == "2 dead letters exported\n"


def test_a_file_gets_its_name_when_it_is_whole_and_only_its_owner_reads_it(
    queue: Queue, dlq: Typed, tmp_path: Path
) -> None:
    queue.add_many(1_200)
    file = tmp_path / "letters.jsonl"
    done = dlq("export", str(file))
    assert (done.code, done.out) == (0, "")
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 1_200
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_a_file_is_not_overwritten_unless_it_is_asked_for(
    queue: Queue, dlq: Typed, tmp_path: Path
) -> None:
    queue.add()
    file = tmp_path / "letters.jsonl"
    file.write_text("mine")
    refused = dlq("export", str(file))
    assert (refused.code, refused.out) == (2, "")
    assert "is there already" in refused.err
    assert file.read_text() == "mine"
    assert dlq("export", "--overwrite", str(file)).code == 0
    assert len(file.read_text().splitlines()) == 1
    assert [*tmp_path.iterdir()] == [file]


def test_where_nothing_can_be_written_it_says_so(queue: Queue, dlq: Typed, tmp_path: Path) -> None:
    queue.add()
    done = dlq("export", str(tmp_path / "no" / "letters.jsonl"))
    assert (done.code, done.out) == (2, "")
    assert "No such file or directory" in done.err


def test_a_failed_export_leaves_no_file(queue: Queue, dlq: Typed, tmp_path: Path) -> None:
    queue.redis.set(queue.dead, "no stream")
    assert dlq("export", str(tmp_path / "letters.jsonl")).code == 4
    assert [*tmp_path.iterdir()] == []


def test_a_device_is_written_into(queue: Queue, dlq: Typed) -> None:
    queue.add()
    assert dlq("export", "/dev/null").code == 0


def test_a_reader_that_has_seen_enough_is_no_error(queue: Queue) -> None:
    queue.add_many(2_000)
    process = queue.start("export")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 0


def test_without_a_letter_nothing_is_exported(dlq: Typed) -> None:
    done = dlq("export")
    assert (done.code, done.out) == (0, "")


def test_an_export_that_redis_breaks_off_says_that_it_is_a_part(queue: Queue) -> None:
    queue.add_many(4_000)
    process = queue.start("export")
    assert process.stdout is not None
    process.stdout.readline()
    # It waits for its reader; its next request is refused.
    with queue.redis.pipeline(transaction=True) as pipeline:
        pipeline.delete(queue.dead)
        pipeline.set(queue.dead, "no stream")
        pipeline.execute()
    done = ended(process)
    assert done.code == 1
    assert "WRONGTYPE" in done.err
    assert "the export ends before its end" in done.err
