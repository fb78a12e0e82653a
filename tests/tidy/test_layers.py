"""Imports go downwards only, the core is pure, and each client library has one door."""

from __future__ import annotations

import pytest

from tests.tidy.source import MODULE_NAMES, Module, is_within, modules

# What each part may import of the package, itself included. Who adds a line here adds a dependency.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "__main__": ("cli",),
    "cli": ("cli", "config", "drill", "edges.drill", "edges.publisher", "errors", "exit_codes",
            "logs", "panic.reading", "panic.showing", "publish", "service", "stop_signals"),
    "service": ("config", "errors", "events", "exit_codes", "life.assembly", "life.supervisor",
                "logs", "panic", "stop_signals"),
    "life.supervisor": ("_codec", "config", "core", "edges.http", "events", "exit_codes",
                        "life", "logs", "panic.black_box", "statistics", "tasks"),
    "life.ending": ("config", "edges.ports", "errors", "events", "exit_codes", "life.handing_over",
                    "life.pipeline", "life.steps", "life.stopping", "logs", "statistics"),
    "life.handing_over": ("core", "edges.ports", "errors", "tasks"),
    "life.starting": ("config", "core", "errors", "events", "exit_codes", "life.assembly",
                      "life.stopping", "logs", "tasks"),
    "life.pipeline": ("_codec", "life.assembly", "config", "core", "edges.ports", "statistics", "tasks"),
    "panic": ("_codec", "config", "edges.postgres.libpq", "errors", "logs", "panic", "statistics"),
    "life.assembly": ("_codec", "config", "edges", "tasks.postgres_probe"),
    "tasks": ("_codec", "core", "edges.ports", "errors", "events", "logs", "statistics", "tasks",
              "wall_clock"),
    "publish": ("_codec", "errors", "publish"),
    "drill": ("config", "core.ledger", "drill", "errors", "publish.entry", "publish.imei"),
    "edges.drill": ("core", "drill", "edges.postgres", "edges.publisher", "errors", "publish.entry"),
    "edges.ports": ("_codec", "core"),
    "edges.fakes": ("_codec", "core", "edges.fakes", "edges.ports", "errors"),
    "edges.http": ("edges.http", "errors", "statistics"),
    "edges.postgres": ("_codec", "core", "edges.ports", "edges.postgres", "errors"),
    "edges.redis": ("_codec", "config", "core", "edges.ports", "edges.redis", "errors"),
    "edges.publisher": ("errors", "publish.entry"),
    "statistics": ("_codec", "core", "wall_clock"),
    "config": ("config", "errors"),
    "events": ("core", "logs"),
    "logs": ("logs",),
    "healthcheck": (),
    "stop_signals": (),
    "exit_codes": (),
    "wall_clock": (),
    "life.stopping": (),
    "life.steps": (),
    "errors": ("core",),
    "core": ("core",),
}  # fmt: skip

CLIENT_LIBRARIES = {
    "psycopg": ("edges.postgres",),
    "redis": ("edges.redis", "edges.publisher", "edges.drill.stream"),
    "h11": ("edges.http",),
    "prometheus_client": ("edges.http",),
}
# The configuration has the clients' own parsers check the URLs at the start, imported when it does:
# a parser of ours would differ from what the client then does with the URL.
URL_PARSERS = ("config.targets", {"psycopg.ProgrammingError", "psycopg.conninfo.conninfo_to_dict",
                                  "redis.connection.parse_url"})  # fmt: skip

IMPURE = ("trio", "time", "random", "os", "socket", "asyncio", "threading", "subprocess", "pathlib",
          "io", "signal", "logging", "sys")  # fmt: skip


def part_of(module: Module) -> str:
    return next(part for part in MAY_IMPORT if is_within(module.name, part))


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "package")
def test_a_module_imports_only_what_its_layer_may(module: Module) -> None:
    if module.name in ("", "edges", "life"):
        assert not list(module.own_imports())
        return
    allowed = MAY_IMPORT[part_of(module)]
    foreign = [
        name for name in module.own_imports() if not any(is_within(name, part) for part in allowed)
    ]
    assert not foreign, f"{module.path} must not import {foreign}"


def test_no_two_parts_import_each_other() -> None:
    def reaches(part: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        below = {
            other
            for name in MAY_IMPORT[part]
            for other in MAY_IMPORT
            if other != part and (is_within(name, other) or is_within(other, name))
        }
        return goal in below or any(
            reaches(each, goal, seen | {part}) for each in below - seen - {part}
        )

    circles = [part for part in MAY_IMPORT if reaches(part, part)]
    assert not circles


def test_every_part_exists() -> None:
    assert all(any(is_within(name, part) for name in MODULE_NAMES) for part in MAY_IMPORT)


def test_the_core_is_pure() -> None:
    for module in modules():
        if is_within(module.name, "core"):
            tops = {name.partition(".")[0] for name in module.imports()}
            assert not tops & set(IMPURE), module.path


def test_nothing_in_the_core_waits() -> None:
    for module in modules():
        if is_within(module.name, "core"):
            assert not any(type(each).__name__ == "AsyncFunctionDef" for each in module.functions())


@pytest.mark.parametrize("library", CLIENT_LIBRARIES)
def test_a_client_library_has_one_door(library: str) -> None:
    importers = {
        module.name: {name for name in module.imports() if is_within(name, library)}
        for module in modules()
    }
    exempt, parsers = URL_PARSERS
    assert importers.pop(exempt) <= parsers
    outside = [
        name
        for name, imported in importers.items()
        if imported and not any(is_within(name, door) for door in CLIENT_LIBRARIES[library])
    ]
    assert not outside


def test_the_url_parsers_are_imported_when_they_are_needed() -> None:
    [module] = [each for each in modules() if each.name == URL_PARSERS[0]]
    for node in module.tree.body:
        names = getattr(node, "names", [])
        assert not {getattr(node, "module", ""), *(each.name for each in names)} & {
            "psycopg",
            "psycopg.conninfo",
            "redis.connection",
        }


def test_there_is_no_asyncio() -> None:
    for module in modules():
        assert "asyncio" not in {name.partition(".")[0] for name in module.imports()}, module.path


def test_fakes_are_for_tests_alone() -> None:
    for module in modules():
        if not is_within(module.name, "edges.fakes"):
            assert not any(is_within(name, "edges.fakes") for name in module.own_imports())
