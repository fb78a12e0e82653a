"""`processor config`: what is in effect, without a server and without a secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from processor.cli import main
from processor.config import Config

SECRET = "hush-4711"
URLS = {
    "REDIS_URL": f"redis://operator:{SECRET}@redis/0",
    "POSTGRES_URL": f"postgres://processor:{SECRET}@db/telemetry?sslpassword={SECRET}",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with both URLs and nothing else that could matter."""
    names = {each.name.upper() for each in fields(Config)}
    for name in os.environ:
        if name.removesuffix("_FILE") in names:
            monkeypatch.delenv(name)
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """What `config --json` prints, by name."""
    assert main(["config", "--json"]) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    [line] = said.out.splitlines()
    return {each["name"]: each for each in json.loads(line)["variables"]}


def test_every_variable_is_shown_with_its_default_and_source(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("WRITERS", "3")
    variables = shown(capsys)
    assert list(variables) == [each.name.upper() for each in fields(Config)]
    assert variables["WRITERS"] == {
        "name": "WRITERS",
        "value": "3",
        "default": "1",
        "source": "environment",
    }
    assert variables["BATCH_SIZE"]["source"] == "default"
    assert variables["BATCH_SIZE"]["value"] == variables["BATCH_SIZE"]["default"] == "5000"


def test_secrets_are_hidden_and_files_are_named_as_the_source(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(URLS["REDIS_URL"] + "\n")
    environment.delenv("REDIS_URL")
    environment.setenv("REDIS_URL_FILE", str(tmp_path / "url"))
    variables = shown(capsys)
    assert variables["REDIS_URL"]["value"] == "redis://operator:***@redis/0"
    assert variables["REDIS_URL"]["source"] == "file"
    assert variables["POSTGRES_URL"]["value"] == "postgres://processor:***@db/telemetry?***"
    assert variables["POSTGRES_URL"]["source"] == "environment"


def test_a_default_that_follows_from_another_variable_is_the_one_in_effect(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("REDIS_TELEMETRY_STREAM", "telemetry:other")
    variables = shown(capsys)
    assert variables["REDIS_DLQ_STREAM"]["value"] == "telemetry:other:dlq"
    assert variables["REDIS_DLQ_STREAM"]["source"] == "default"


def test_what_is_required_and_missing_is_null(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in URLS:
        environment.delenv(name)
    variables = shown(capsys)
    for name in URLS:
        assert variables[name] == {
            "name": name,
            "value": None,
            "default": None,
            "source": "default",
        }


@pytest.mark.usefixtures("signal_mask")
@pytest.mark.parametrize(
    "bad", [{"WRITERS": "many"}, {"DRAIN_BUDGET_MS": "40000"}, {"REDIS_URL_FILE": "/x"}], ids=str
)
def test_a_bad_variable_ends_with_78_and_the_message_of_run(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: dict[str, str]
) -> None:
    environment.delenv("POSTGRES_URL")
    for name, value in bad.items():
        environment.setenv(name, value)
    said = []
    for command in (["config", "--json"], ["config"], ["run"]):
        assert main(command) == 78
        found = capsys.readouterr()
        assert found.out == ""
        said.append(found.err.partition(": ")[2])
    assert said[0] == said[1] == said[2]
    assert said[0].startswith("bad configuration\n")
    assert "POSTGRES_URL: is not set" in said[0]


def test_people_see_what_differs_from_the_default(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("WRITERS", "3")
    environment.delenv("POSTGRES_URL")
    assert main(["config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = [line.split()[1] for line in lines if re.match(r"\* +[A-Z]", line)]
    assert marked == ["REDIS_URL", "WRITERS"]
    assert any(re.match(r" +POSTGRES_URL +not set, required", line) for line in lines)
    assert max(map(len, lines)) <= 100


def test_misspelt_names_are_hinted_at_without_their_values(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("REDIS_TELEMTRY_STREAM", SECRET)
    environment.setenv("CONTROL_SOCKET", SECRET)
    for arguments in (["config"], ["config", "--json"]):
        assert main(arguments) == 0
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        assert said.err.splitlines() == [
            "hint: CONTROL_SOCKET is retired and ignored: REDIS_CONTROL_CHANNEL does its work",
            "hint: REDIS_TELEMTRY_STREAM is no variable of the service: is REDIS_TELEMETRY_STREAM meant?",
        ]


def test_the_examples_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--help"]) == 0
    lines = re.findall(r"^ +(processor config.*)$", capsys.readouterr().out, re.MULTILINE)
    assert len(lines) == 3
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **URLS}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], env=environ, capture_output=True, text=True, check=False
        )
        assert (line, done.returncode, done.stderr) == (line, 0, "")
        assert "REDIS_URL" in done.stdout
