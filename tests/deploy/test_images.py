"""Dockerfile, compose.yaml and deploy/images.env name the same images; git and the build leave out the same things."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
SERVICES = ("processor", "tcp-ingestion")


def pinned() -> dict[str, str]:
    lines = (CHECKOUT / "deploy/images.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_the_tags_are_those_of_dockerfile_and_compose_file() -> None:
    tags = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.MULTILINE))
    tags |= re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", (CHECKOUT / "compose.yaml").read_text())
    for service in SERVICES:
        assert tags.pop(f"{service.upper().replace('-', '_')}_IMAGE") == service
    assert {name: image.partition("@")[0] for name, image in pinned().items()} == tags


def test_the_bases_of_the_image_are_pinned_by_digest() -> None:
    for name in ("RUST_IMAGE", "PYTHON_IMAGE"):
        assert re.search(r"@sha256:[0-9a-f]{64}$", pinned()[name])


def test_every_base_is_an_argument_or_a_stage() -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS ([\w-]+))?$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages}
    assert {base for base, _ in stages} - names == {"${RUST_IMAGE}", "${PYTHON_IMAGE}"}
    assert stages[-2:] == [("service", name) for name in SERVICES]


def test_the_images_differ_in_nothing_but_name_user_port_and_what_is_compiled() -> None:
    first, second = (final_stage(name) for name in SERVICES)
    assert first.keys() == second.keys()
    same = {"ARG", "HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME", "WORKDIR", "LABEL"}
    for word in same:
        assert first[word] == second[word]


def final_stage(name: str) -> dict[str, list[str]]:
    """The instructions of a service's own stage, by their first word, with NAME for its name."""
    _, stage = DOCKERFILE.split(f" AS {name}\n")
    lines = re.sub(r"\\\n\s*", "", stage.split("\nFROM ")[0]).splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(
                re.sub(r'description="[^"]*"', "", rest).replace(name, "NAME")
            )
    return found


def test_one_command_builds_every_image() -> None:
    script = (CHECKOUT / "dev/image").read_text()
    assert f'services="{" ".join(SERVICES)}"' in script


def test_secrets_are_neither_committed_nor_sent_to_a_build() -> None:
    secret = "deploy/secrets/redis_url"
    ignored = subprocess.run(["git", "check-ignore", secret], cwd=CHECKOUT, check=False)
    assert ignored.returncode == 0
    sent = [
        line
        for line in (CHECKOUT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    # Everything is left out but what is named.
    assert sent[0] == "*"
    assert not [line for line in sent if "deploy" in line]
