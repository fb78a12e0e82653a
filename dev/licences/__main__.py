"""Prints what is wrong with the licences, and ends with 1 if anything is. Part of `make lint`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.licences.expressions import is_allowed
from dev.licences.sources import Package, python_packages, rust_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]

ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "PSF-2.0", "Unicode-3.0", "Unlicense", "Zlib",
})  # fmt: skip
"""Licences that ask for no more than to be named."""

EXCEPTIONS = {
    "certifi": ("MPL-2.0", "a list of authorities, unchanged; only in developers' tools"),
    "hypothesis": ("MPL-2.0", "unchanged; only in tests"),
    "orjson": ("MPL-2.0", "unchanged"),
    "pathspec": ("MPL-2.0", "unchanged; only in developers' tools"),
    "psycopg": ("LGPL-3.0-only", "unchanged, and a library that anybody can replace in the environment"),
    "psycopg-binary": ("LGPL-3.0-only", "the same"),
}  # fmt: skip
"""By package: the licence that asks for more, and why it may be used all the same."""


def problems(packages: Iterable[Package]) -> Iterator[str]:
    """A sentence for each package that may not be used, or whose licence is not known."""
    for package in packages:
        extra, _ = EXCEPTIONS.get(package.name, ("", ""))
        try:
            if not is_allowed(package.licence, ALLOWED | {extra}):
                yield f"{package.name}: {package.licence} is not among the allowed licences"
        except ValueError:
            yield f"{package.name}: its licence is not known: {package.licence!r}"


def main() -> int:
    """Check both lock files; the exit code."""
    packages = {*python_packages(ROOT / "requirements-dev.txt"), *rust_packages(ROOT)}
    found = sorted(problems(packages))
    for each in found:
        print(each, file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
