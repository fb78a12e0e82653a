"""compose.yaml as docker-compose resolves it: what each container may not do, what it waits for, what it mounts."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dev.container.composition import (
    INGESTION,
    PROCESSORS,
    commands,
    mounts,
    seconds,
    secret_names,
)

CHECKOUT = Path(__file__).parents[2]
SECRETS = CHECKOUT / "deploy/secrets"
SERVICES = [
    INGESTION,
    *PROCESSORS,
    "operator",
    "redis",
    "timescaledb",
    "directus",
    "prometheus",
    "grafana",
]
# Images of the project: they have users of their own, which `make container-drill` looks at.
OURS = {INGESTION, *PROCESSORS, "operator"}
FOR_DEVICES = {"published": 5027, "target": 5027}
# What release and exit may take beyond the budget (contract section 4, rule 7), and a second for the engine.
BEYOND_THE_BUDGET_S = 2

pytestmark = pytest.mark.deployment("docker-compose")


@cache
def config() -> dict[str, Any]:
    resolved = subprocess.run(
        ["docker-compose", "--file", CHECKOUT / "compose.yaml", "--profile", "operator", "config"],
        check=True,
        stdout=subprocess.PIPE,
        # Without what the developer's shell or file of variables says about images.
        env={"PATH": os.environ["PATH"]},
        cwd="/",
    ).stdout
    parsed: dict[str, Any] = YAML(typ="safe").load(resolved)
    return parsed


def service(name: str) -> dict[str, Any]:
    described: dict[str, Any] = config()["services"][name]
    return described


def test_every_service_is_looked_at() -> None:
    assert config()["services"].keys() == {*SERVICES}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_than_it_needs(name: str) -> None:
    described = service(name)
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert "cap_add" not in described
    assert "privileged" not in described
    assert described["security_opt"] == ["no-new-privileges:true"]
    assert described["mem_limit"]
    assert described["pids_limit"]
    assert described["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert name in OURS or int(described["user"].partition(":")[0]) > 0


def test_only_the_port_for_devices_is_open_to_other_machines() -> None:
    ports = [(name, port) for name in SERVICES for port in service(name).get("ports", ())]
    here = [port for _, port in ports if isinstance(port, str) and port.startswith("127.0.0.1:")]
    assert [each for each in ports if each[1] not in here] == [(INGESTION, FOR_DEVICES)]
    assert len({port.rpartition(":")[0] for port in here}) == len(here)


@pytest.mark.parametrize("name", SERVICES)
def test_a_password_comes_as_a_file(name: str) -> None:
    for variable, value in service(name).get("environment", {}).items():
        if any(word in variable for word in ("PASSWORD", "URL", "SECRET")):
            assert variable.endswith("_FILE")
            assert value.startswith("/run/secrets/")
            assert value.removeprefix("/run/secrets/") in secret_names(service(name))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_of_one_version(name: str) -> None:
    image, _, tag = service(name)["image"].partition(":")
    assert image in {"processor", INGESTION} or tag[:1].isdigit() or tag[:1] == "v"


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    for source, _ in mounts(service(name)):
        assert Path(source).exists() if source.startswith("/") else source in config()["volumes"]


@pytest.mark.parametrize("name", [INGESTION, *PROCESSORS])
def test_a_service_is_stopped_later_than_its_drain_ends(name: str) -> None:
    environment = service(name)["environment"]
    waits_ms = int(environment["DRAIN_BUDGET_MS"]) + int(environment.get("DRAIN_DELAY_MS", 0))
    budget_s = waits_ms / 1_000
    assert seconds(service(name)["stop_grace_period"]) >= budget_s + BEYOND_THE_BUDGET_S


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_waits_for_its_schema(name: str) -> None:
    waits = service(name)["depends_on"]
    assert waits["directus"] == waits["redis"] == {"condition": "service_healthy"}
    assert "healthcheck" in service("directus")
    assert service("directus")["depends_on"]["timescaledb"] == {"condition": "service_healthy"}
    # The image's own check stays.
    assert "healthcheck" not in service(name)


def test_ingestion_waits_for_redis_alone_and_may_hold_many_connections() -> None:
    assert service(INGESTION)["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "healthcheck" not in service(INGESTION)
    assert service(INGESTION)["ulimits"]["nofile"] >= 10_000


def test_the_processors_differ_in_their_names_alone() -> None:
    first, second = ({**service(name), "volumes": None, "ports": None} for name in PROCESSORS)
    assert first["environment"].pop("INSTANCE_ID") == PROCESSORS[0]
    assert second["environment"].pop("INSTANCE_ID") == PROCESSORS[1]
    assert first == second
    dumps = [source for name in PROCESSORS for source, _ in mounts(service(name))]
    assert len({*dumps}) == len(PROCESSORS)


def test_directus_applies_every_file_of_the_schema_and_then_the_grants() -> None:
    _, script, *files = commands(service("directus"))
    assert Path(script) == CHECKOUT / "deploy/directus/start"
    schema = sorted((CHECKOUT / "dev/schema").glob("*.sql"))
    assert [*map(Path, files)] == [*schema, CHECKOUT / "deploy/postgres/grants.sql"]


def test_every_secret_is_made_by_the_script_and_mounted_by_somebody(tmp_path: Path) -> None:
    subprocess.run([CHECKOUT / "deploy/make-secrets", tmp_path], check=True, capture_output=True)
    made = {path.name for path in tmp_path.iterdir()}
    named = {name: Path(each["file"]) for name, each in config()["secrets"].items()}
    assert named == {name: SECRETS / name for name in made}
    assert {name for each in SERVICES for name in secret_names(service(each))} == made
