"""The lock files hold names, versions and hashes, and whatever pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
REQUIREMENT = re.compile(r"([a-z0-9-]+)==[^\s;]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


ALONE = ("audit", "images")
"""Groups whose lock holds neither the project's dependencies nor the developers'."""


def asked_for(*groups: str) -> set[str]:
    """Names of the project's dependencies and of those of `groups`, as a lock writes them."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        pyproject = tomllib.load(file)
    wanted = [] if {*groups} & {*ALONE} else [*pyproject["project"]["dependencies"]]
    for group in groups:
        wanted += pyproject["dependency-groups"][group]
    return {re.split(r"[\[=<>]", each)[0].replace(".", "-") for each in wanted}


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.txt", ()),
        ("requirements-dev.txt", ("dev", "bench")),
        *((f"requirements-{group}.txt", (group,)) for group in ALONE),
    ],
)
def test_a_lock_holds_what_is_asked_for_and_says_nothing_of_where_it_comes_from(
    lock: str, groups: tuple[str, ...]
) -> None:
    names = set()
    for line in (CHECKOUT / lock).read_text().splitlines():
        if (requirement := REQUIREMENT.fullmatch(line)) is not None:
            names.add(requirement[1])
        else:
            assert HASH.fullmatch(line), line
    assert asked_for(*groups) - names == set()


def test_the_dev_lock_has_the_versions_of_the_runtime_lock() -> None:
    runtime, dev = (
        {line for line in (CHECKOUT / lock).read_text().splitlines() if "==" in line}
        for lock in ("requirements.txt", "requirements-dev.txt")
    )
    versions = {line.split(" ")[0] for line in dev}
    assert {line.split(" ")[0] for line in runtime} - versions == set()
