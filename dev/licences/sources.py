"""Reads which packages the lock files name, and under which licence each is, without asking a registry."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

# What packages say that are older than SPDX expressions in Python's metadata.
_FORMER_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# Some have the licence's whole text where its name belongs.
_NAME_CHARACTERS_MAX = 60
_LOCKED = re.compile(r"^([a-z0-9-]+==.+?) \\$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a lock file; `licence` is an expression, empty where none was found."""

    name: str
    licence: str


def python_packages(lock: Path) -> Iterator[Package]:
    """Those that the lock file names for this machine, by their installed metadata.

    Those for other systems or versions are not installed, and are passed over.
    """
    for requirement in map(Requirement, _LOCKED.findall(lock.read_text())):
        if requirement.marker is None or requirement.marker.evaluate():
            yield Package(requirement.name, _licence_of(requirement.name))


def rust_packages(root: Path) -> Iterator[Package]:
    """Those of Cargo.lock, for all systems. Raises CalledProcessError if cargo fails."""
    found = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    )
    for package in json.loads(found.stdout)["packages"]:
        yield Package(package["name"], package["license"] or "")


def _licence_of(name: str) -> str:
    try:
        # Message is what the metadata is; the declared type lacks `get`.
        metadata: Message = distribution(name).metadata  # type: ignore[assignment]
    except PackageNotFoundError:
        return ""
    return declared(metadata)


def declared(metadata: Message) -> str:
    """The expression in a distribution's metadata, or what its older fields say, as an expression."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    field = str(metadata.get("License") or "").strip()
    if field and "\n" not in field and len(field) <= _NAME_CHARACTERS_MAX:
        return _FORMER_NAMES.get(field, field)
    classifiers = metadata.get_all("Classifier") or []
    names = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    # Which of several counts is not said: all of them do.
    return " AND ".join(_FORMER_NAMES.get(name, "") for name in names)
