from __future__ import annotations

from email.message import Message
from pathlib import Path

import pytest

from dev.licences.__main__ import ALLOWED, EXCEPTIONS, problems
from dev.licences.expressions import is_allowed
from dev.licences.sources import Package, declared, python_packages, rust_packages

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT/Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", True),
        ("MIT AND (GPL-3.0-only OR Zlib)", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        # AND binds closer than OR.
        ("MIT OR GPL-3.0-only AND GPL-2.0-only", True),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression: str, *, allowed: bool) -> None:
    assert is_allowed(expression, ALLOWED) is allowed


@pytest.mark.parametrize("text", ["", "MIT License", "MIT OR", "(MIT", "AND MIT", "MIT)"])
def test_what_is_no_expression_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"licen|parenthesis"):
        is_allowed(text, ALLOWED)


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ([("License-Expression", "MIT"), ("License", "something else")], "MIT"),
        ([("License", "BSD 2-Clause License")], "BSD-2-Clause"),
        (
            [
                ("License", "A whole\nlicence"),
                ("Classifier", "License :: OSI Approved :: MIT License"),
            ],
            "MIT",
        ),
        ([("Classifier", "Programming Language :: Rust")], ""),
    ],
)
def test_a_distribution_says_its_licence_in_the_newest_of_its_ways(
    fields: list[tuple[str, str]], expression: str
) -> None:
    metadata = Message()
    for name, value in fields:
        metadata[name] = value.replace("\n", "\n ")
    assert declared(metadata) == expression


def test_both_lock_files_are_looked_through() -> None:
    python = {each.name for each in python_packages(CHECKOUT / "requirements-dev.txt")}
    rust = {each.name for each in rust_packages(CHECKOUT)}
    assert {"trio", "psycopg-binary", "check-jsonschema"} <= python
    assert {"pyo3", "memchr", "windows-sys"} <= rust


def test_a_package_is_named_that_may_not_be_used() -> None:
    packages = [Package("fine", "MIT"), Package("bad", "AGPL-3.0-only"), Package("silent", "")]
    assert [each.partition(":")[0] for each in problems(packages)] == ["bad", "silent"]


def test_an_exception_is_for_one_package_and_still_needed() -> None:
    assert [*problems([Package("other", "LGPL-3.0-only")])]
    locked = {
        each.name: each.licence for each in python_packages(CHECKOUT / "requirements-dev.txt")
    }
    for name in EXCEPTIONS:
        assert not is_allowed(locked[name], ALLOWED), f"{name} needs no exception any more"
