"""Every example in the help of `processor dlq` runs as it stands."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from processor.cli.dlq import dlq as group
from tests.support.processes import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.support.dead_letters import Queue, Typed


def examples() -> Iterator[str]:
    for command in (group, *group.commands.values()):
        for line in (command.epilog or "").splitlines():
            if line.startswith("  processor dlq "):
                yield line.strip()


def test_each_command_has_some() -> None:
    named = {each.split()[2] for each in examples()}
    assert named == group.commands.keys()


def test_examples_run_as_they_stand(
    queue: Queue, dlq: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mended.json").write_text("{}")
    failed = []
    for example in dict.fromkeys(examples()):
        queue.redis.delete(queue.dead, queue.stream)
        queue.add(letter_id="1777627800000-0", dlq_dead_at="2026-05-01T09:33:00.000Z")
        queue.add(letter_id="1777627900000-0", dlq_code="refused_by_server", dlq_stage="write",
                  dlq_dead_at="2999-05-01T09:33:00.000Z")  # fmt: skip
        if "--overwrite" not in example:
            (tmp_path / "letters.jsonl").unlink(missing_ok=True)
        code = _run(example, queue, dlq, tmp_path)
        if code:
            failed.append((example, code))
    assert failed == []


def _run(example: str, queue: Queue, dlq: Typed, directory: Path) -> int:
    """By a shell where there is a pipe; else in this process, which is faster."""
    if not {"|", ">"} & {*example}:
        return dlq(*shlex.split(example, comments=True)[2:]).code
    return subprocess.run(
        ["/bin/sh", "-c", example],
        env={"PATH": f"{PROCESSOR.parent}:/usr/bin:/bin", **queue.environ},
        cwd=directory,
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode
