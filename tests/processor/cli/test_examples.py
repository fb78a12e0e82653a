"""Every example in the help of the commands that look at the queue runs as it stands."""

from __future__ import annotations

import shlex
from importlib import import_module
from typing import TYPE_CHECKING

from tests.support.servers import GROUP, entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.operators import Commands
    from tests.support.servers import Servers

COMMANDS = ("status", "lag", "pending", "consumers", "claim")


def examples() -> Iterator[str]:
    for name in COMMANDS:
        command = getattr(import_module(f"processor.cli.{name}"), name)
        for each in (command, *getattr(command, "commands", {}).values()):
            for line in (each.epilog or "").splitlines():
                if line.startswith(f"  processor {name}"):
                    yield line.strip()


def test_each_command_has_some() -> None:
    assert {each.split()[1] for each in examples()} == {*COMMANDS}


def test_examples_run_as_they_stand(both: Commands, servers: Servers) -> None:
    servers.create_group()
    servers.publish([entry(1, 1)])
    failed = [
        shown for example in dict.fromkeys(examples()) if (shown := _fault(example, both, servers))
    ]
    assert failed == []


def _fault(example: str, both: Commands, servers: Servers) -> str | None:
    """What is wrong with it; None if it runs, and says something."""
    # One entry, left an hour ago by a consumer that is gone.
    servers.redis.xgroup_destroy(servers.stream, GROUP)
    servers.create_group()
    servers.deliver_to("processor-2", 1)
    [entry_id] = servers.pending_ids()
    servers.abandon("processor-2", [entry_id])
    servers.redis.hset(f"{servers.stream}:{GROUP}:attempts", entry_id, '{"n":1,"code":"bad_json"}')
    if "--watch" in example:
        ended, expected = both.in_shell(f"timeout --preserve-status -s INT 2 {example}"), 130
    elif "|" in example:
        ended, expected = both.in_shell(example), 0
    else:
        # Nobody runs, and no name has been left for an hour.
        expected = int("--check" in example or " prune" in example)
        ended = both(*shlex.split(example, comments=True)[1:])
    if ended.code == expected and ended.out + ended.err and "Traceback" not in ended.err:
        return None
    return f"{example}: {ended}"
