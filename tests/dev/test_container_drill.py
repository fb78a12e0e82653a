"""What the container drill decides without an engine; the drill itself is `make container-drill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dev.container.composition import commands, on_this_machine, seconds
from dev.container.report import Report

HARDENED: dict[str, Any] = {
    "image": "processor",
    "read_only": True,
    "cap_drop": ["ALL"],
    "stop_grace_period": "15s",
    "ulimits": {"nofile": 65536},
    "environment": {"INSTANCE_ID": "x", "METRICS_PORT": "9090"},
    "secrets": [{"source": "redis_url"}],
    "volumes": ["dumps:/var/lib/processor:rw"],
    "ports": ["127.0.0.1:1:9090"],
    "depends_on": {"redis": {"condition": "service_healthy"}},
}
IMAGES = {"processor-1": "built", "processor-2": "built", "tcp-ingestion": "built-too"}
CONFIG: dict[str, Any] = {
    "services": dict.fromkeys(IMAGES, HARDENED) | {"redis": {}},
    "volumes": {"dumps": {}, "others": {}},
    "secrets": {"redis_url": {"file": "/there"}, "password": {"file": "/there"}},
}


def test_a_service_keeps_every_setting_but_its_network_image_and_secrets() -> None:
    variables = {name: {"METRICS_PORT": str(number)} for number, name in enumerate(IMAGES)}
    made = on_this_machine(
        CONFIG, images=IMAGES, secrets=Path("/here"), variables=variables, descriptors_max=1_000
    )
    kept = {"read_only", "cap_drop", "stop_grace_period", "secrets", "volumes"}
    for name, service in made["services"].items():
        assert {key: service[key] for key in kept} == {key: HARDENED[key] for key in kept}
        assert service.keys() - kept == {"image", "network_mode", "environment", "ulimits"}
        assert service["ulimits"] == {"nofile": 1_000}
        assert (service["image"], service["network_mode"]) == (IMAGES[name], "host")
        assert service["environment"] == {"INSTANCE_ID": "x", **variables[name]}
    assert made["services"].keys() == variables.keys()
    assert made["volumes"] == {"dumps": {}}
    assert made["secrets"] == {"redis_url": {"file": "/here/redis_url"}}


def test_a_command_of_a_container_names_the_files_of_this_machine() -> None:
    service = {
        "entrypoint": ["/bin/sh", "/deploy/start"],
        "command": ["/deployed", "/schema/1.sql", "/data"],
        "volumes": ["/c/deploy/redis:/deploy:ro", "/c/schema:/schema:ro", "data:/data"],
    }
    assert commands(service) == [
        "/bin/sh", "/c/deploy/redis/start", "/deployed", "/c/schema/1.sql", "/data",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("15s", 15), ("1m", 60), ("0.5h", 1_800)])
def test_a_duration_of_compose_is_read(text: str, value: float) -> None:
    assert seconds(text) == value


def test_one_check_that_fails_fails_the_drill(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.equal("rows", 5, 5)
    assert report.end() == 0
    report.equal("rows", 4, 5)
    assert report.end() == 1
    assert "violated: rows: 5; found: 4" in capsys.readouterr().out
