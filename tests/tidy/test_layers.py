"""Rules that import-linter cannot check: the compiled codec, awaits in the core, imports of tests.

The order of the rooms and the one door of each client library are in `pyproject.toml`, under
`tool.importlinter`; `make lint` checks them.
"""

from __future__ import annotations

import ast
import tomllib

from tests.tidy.source import PACKAGES, ROOT, is_within, modules

# The flow passes the codec's values from room to room; code that only decides about the process needs none.
CODEC_IMPORTERS = (
    "telemetry.chassis.redis",
    "telemetry.chassis.crash",
    "telemetry.stream",
    "processor",
    "ingestion",
)

CORES = ("processor.core", "ingestion.core")
IMPURE = ("trio", "time", "random", "os", "socket", "asyncio", "threading", "subprocess", "pathlib",
          "io", "signal", "logging", "sys")  # fmt: skip

# The configuration has libpq's own parser check the URL at the start, imported when it does: a parser of ours
# would differ from what libpq then does with the URL.
URL_PARSERS = {
    "processor.config.postgres_target": {"psycopg.ProgrammingError", "psycopg.conninfo.conninfo_to_dict"},
}  # fmt: skip


def test_the_linter_knows_every_package_and_so_does_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    there = sorted(path.parent.name for path in (ROOT / "python").glob("*/__init__.py"))
    assert sorted(PACKAGES) == there
    assert sorted(project["tool"]["importlinter"]["root_packages"]) == there
    assert sorted(project["tool"]["maturin"]["python-packages"]) == there


def test_every_folder_with_modules_is_a_package_that_the_linter_sees() -> None:
    folders = {module.path.parent for module in modules()}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_only_who_handles_entries_imports_the_codec() -> None:
    importers = [
        module.name
        for module in modules()
        if any(is_within(name, "telemetry._codec") for name in module.imports())
    ]
    assert importers
    assert not [
        name for name in importers if not any(is_within(name, each) for each in CODEC_IMPORTERS)
    ]


def test_the_core_is_pure() -> None:
    core = [module for module in modules() if any(is_within(module.name, each) for each in CORES)]
    assert core
    for module in core:
        assert not {name.partition(".")[0] for name in module.imports()} & set(IMPURE), module.path
        assert not any(isinstance(each, ast.AsyncFunctionDef) for each in module.functions())


def test_the_url_parsers_are_imported_when_they_are_needed() -> None:
    for module in modules():
        if module.name in URL_PARSERS:
            parsers = URL_PARSERS[module.name]
            libraries = {name.partition(".")[0] for name in parsers}
            late = {name for name in module.imports() if name.partition(".")[0] in libraries}
            assert late == parsers
            assert (
                not {
                    (getattr(node, "module", None) or "").partition(".")[0]
                    for node in module.tree.body
                }
                & libraries
            )


def test_there_is_no_asyncio() -> None:
    for module in modules():
        assert "asyncio" not in {name.partition(".")[0] for name in module.imports()}, module.path


def test_what_is_shipped_imports_no_tests() -> None:
    for module in modules():
        assert not [name for name in module.imports() if is_within(name, "tests")], module.path
