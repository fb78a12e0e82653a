"""The packages' source as syntax trees, for tests of its style."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = ("telemetry", "processor", "ingestion", "drills")


@dataclass(frozen=True)
class Module:
    """One module of a package."""

    name: str
    """With its package: `processor.writing.writer`."""
    path: Path
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.path.read_text().splitlines())

    def imports(self) -> Iterator[str]:
        """Every module, or name of a module, that is imported anywhere in it, for types alone too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: a relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def texts(self) -> Iterator[str]:
        """Every piece of text in it, docstrings included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value

    def calls(self, function: str) -> list[ast.Call]:
        """Every call of `function` by its plain name."""
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == function
        ]


@cache
def modules() -> tuple[Module, ...]:
    """All modules of all packages."""
    base = ROOT / "python"
    return tuple(
        Module(_name(path.relative_to(base)), path, ast.parse(path.read_text()))
        for package in PACKAGES
        for path in sorted((base / package).rglob("*.py"))
    )


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def is_within(name: str, package: str) -> bool:
    """Whether module `name` is `package` or below it."""
    return name == package or name.startswith(f"{package}.")
