"""Runs every command of OPERATIONS.md against real servers, in the state that its recipe is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.processes.conftest import run, servers
from tests.runbook.blocks import Block, blocks, commands_in_text, recipes
from tests.runbook.stage import Stage
from tests.runbook.states import STATES, daily
from tests.support.ingestion import ingestions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.servers import RedisServer
    from tests.processes.conftest import Run
    from tests.support.ingestion import Ingest
    from tests.support.servers import Servers

__all__ = ["run", "servers"]

RECIPES = recipes()


@pytest.fixture
def stage(
    servers: Servers,
    run: Run,
    redis_server: RedisServer,
    tmp_path: Path,
) -> Iterator[Stage]:
    """The run's servers, a stream and a table of the recipe's own, and an operator's shell."""
    directory = tmp_path / "operator"
    directory.mkdir()
    with ingestions(redis_server, servers.stream, tmp_path) as ingest:
        yield stage_of(servers, redis_server, run, ingest, directory)


def stage_of(
    servers: Servers, redis_server: RedisServer, run: Run, ingest: Ingest, directory: Path
) -> Stage:
    return Stage(
        servers=servers,
        redis=redis_server,
        start=run,
        ingest=ingest,
        directory=directory,
        environment={
            "REDIS_URL": redis_server.operator_url,
            "SERVICE_REDIS_URL": redis_server.processor_url,
            "REDIS_ADMIN_URL": redis_server.admin_url,
            "POSTGRES_URL": servers.database.processor_url,
            "POSTGRES_ADMIN_URL": servers.database.admin_url,
            "REDIS_TELEMETRY_STREAM": servers.stream,
            "STREAM": servers.stream,
            "GROUP": "processor",
            "CLAIM_THRESHOLD_MS": "300",
        },
    )


def test_every_recipe_has_a_state_and_every_state_a_recipe() -> None:
    assert RECIPES.keys() == STATES.keys()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_does_what_it_says(recipe: str, stage: Stage) -> None:
    steps = STATES[recipe](stage)
    for block in RECIPES[recipe]:
        # A state yields variables for each block; what is behind that looks at what the block did.
        stage.run(block, next(steps))
    with pytest.raises(StopIteration):
        next(steps)


def test_the_commands_in_sentences_and_tables_run(stage: Stage) -> None:
    commands = commands_in_text()
    assert commands
    [variables] = daily.one_of_each(stage)
    for command in commands:
        said = stage.run(Block(command, ("sh", "exit=0|1"), command, 0), variables)
        assert "Usage:" not in said, command


def test_only_commands_of_an_engine_are_left_to_the_drill_of_the_container() -> None:
    for block in blocks():
        if block.needs_an_engine:
            lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
            assert all(line.startswith(("docker ", "docker-compose ", " ")) for line in lines), (
                block
            )
