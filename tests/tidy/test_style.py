"""Sizes, docstrings, and the rules that a reader relies on without looking."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from tests.tidy.source import ROOT, Module, modules

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

DDL = re.compile(
    r"\b(?:CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE)\s+(?:OR\s+REPLACE\s+|UNIQUE\s+)?(?:TEMP|TEMPORARY|TABLE|"
    r"INDEX|SCHEMA|DATABASE|ROLE|USER|EXTENSION|FUNCTION|TRIGGER|VIEW|TYPE|SEQUENCE|SELECT|INSERT)\b"
)
RUST = sorted((ROOT / "rust").glob("*/src/**/*.rs"))


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_module_is_small_and_says_its_one_job(module: Module) -> None:
    assert module.lines <= MODULE_LINES_MAX
    docstring = ast.get_docstring(module.tree)
    assert docstring
    first = docstring.partition("\n\n")[0]
    assert first.endswith((".", ":")), first


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_function_fits_on_a_screen(module: Module) -> None:
    for function in module.functions():
        assert function.end_lineno is not None
        lines = function.end_lineno - function.lineno + 1
        assert lines <= FUNCTION_LINES_MAX, f"{module.path}:{function.lineno} {function.name}"


def test_a_rust_module_says_its_one_job() -> None:
    assert RUST
    for path in RUST:
        assert path.read_text().startswith("//! "), path


def test_the_only_ddl_is_the_sessions_staging_table() -> None:
    found = [
        (module.name, DDL.search(text).group())  # type: ignore[union-attr]
        for module in modules()
        for text in module.texts()
        if DDL.search(text)
    ]
    assert found == [("processor.edges.postgres.copying", "CREATE TEMPORARY")]


def test_only_one_module_makes_receipts() -> None:
    makers = {module.name for module in modules() if list(module.calls("Receipt"))}
    assert makers == {"processor.settling.receipts"}


def test_only_who_has_a_receipt_acknowledges_records() -> None:
    callers = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "ack" and isinstance(node.ctx, ast.Load)
    }
    assert callers == {"processor.settling.acker"}


def test_the_codec_knows_no_python_and_is_safe() -> None:
    manifest = tomllib.loads((ROOT / "rust/codec/Cargo.toml").read_text())
    assert not {"pyo3", "codec-py"} & manifest["dependencies"].keys()
    assert "#![forbid(unsafe_code)]" in (ROOT / "rust/codec/src/lib.rs").read_text()
    for path in RUST:
        assert not re.search(r"\bunsafe\b", re.sub(r"//.*", "", path.read_text())), path


def test_there_is_nothing_to_do_later_in_the_source() -> None:
    for path in [*(module.path for module in modules()), *RUST]:
        assert not re.search(r"\b(?:TODO|FIXME|XXX)\b", path.read_text()), path
