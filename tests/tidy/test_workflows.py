"""The workflows have no logic of their own, take actions and images by digest, and may do no more than they need.

That they have the form of workflows is checked by `make lint`.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.tidy.source import ROOT
from tests.tidy.test_papers import TARGET

FOLDER = ROOT / ".gitea/workflows"
# A command and its arguments; of expressions, only the matrix may stand in them.
COMMAND = re.compile(
    r'(?P<program>make|bash) (?P<what>[\w./-]+)(?: container| ARGS="[\w ./${}-]+")?'
)
EXPRESSION = re.compile(r"\$\{\{ *(?P<context>\w+)")
PINNED = re.compile(r"- uses: [\w./-]+@[0-9a-f]{40} # v[\d.]+")

Job = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    workflow: dict[str, Any] = YAML(typ="safe").load(FOLDER / f"{name}.yml")
    return workflow


def jobs() -> list[tuple[str, Job]]:
    names = sorted(path.stem for path in FOLDER.iterdir())
    return [
        (f"{name}: {job_name}", job)
        for name in names
        for job_name, job in load(name)["jobs"].items()
    ]


def steps(job: Job) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_there_is_a_workflow_for_changes_one_for_the_image_and_one_for_the_night() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"check.yml", "image.yml", "nightly.yml"}
    assert [step["run"] for _, job in jobs()[:1] for step in steps(job)[1:]] == ["bash .ci/run"]


def test_the_night_has_every_long_form() -> None:
    said = {step.get("run", "") for job in load("nightly")["jobs"].values() for step in steps(job)}
    targets = {command.split()[1] for command in said if command.startswith("make ")}
    assert targets >= {"sim", "fuzz", "drill", "load", "container-drill", "audit"}
    assert any(command.startswith('make drill ARGS="tcp-ingestion ') for command in said)


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_only_calls_commands_of_the_makefile_and_scripts_of_ci(name: str, job: Job) -> None:
    targets = TARGET.findall((ROOT / "Makefile").read_text())
    first, *others = steps(job)
    assert first["uses"].startswith("actions/checkout@")
    assert others
    for step in others:
        command = COMMAND.fullmatch(step["run"])
        assert command, f"{name} has logic of its own: {step['run']}"
        if command["program"] == "make":
            assert command["what"] in targets
        else:
            assert command["what"].startswith(".ci/")
            assert (ROOT / command["what"]).is_file()
        assert {*EXPRESSION.findall(step["run"])} <= {"matrix"}


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_ends_by_itself(name: str, job: Job) -> None:
    assert 0 < job["timeout-minutes"] <= 120, name


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Any) -> None:
    uses = [line.strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert all(PINNED.fullmatch(line) for line in uses)


@pytest.mark.parametrize(("name", "job"), jobs())
def test_containers_are_the_pinned_image_of_rust(name: str, job: Job) -> None:
    images = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy/images.env").read_text().splitlines()
        if not line.startswith("#")
    )
    container = job.get("container")
    if container is None:
        assert name.startswith("image: ")
    else:
        image = container if isinstance(container, str) else container["image"]
        assert image == images["RUST_IMAGE"]


def test_workflows_may_only_read_and_one_job_may_push() -> None:
    for path in FOLDER.iterdir():
        assert load(path.stem)["permissions"] == {"contents": "read"}
    permitted = {name: job["permissions"] for name, job in jobs() if "permissions" in job}
    assert permitted == {"image: push": {"contents": "read", "packages": "write"}}


def test_secrets_are_for_the_job_that_pushes_and_credentials_are_not_kept() -> None:
    for name, job in jobs():
        assert ("secrets." in str(job)) is (name == "image: push")
        assert steps(job)[0]["with"] == {"persist-credentials": False}
    assert load("image")["jobs"]["push"]["if"] == "github.ref_type == 'tag'"
