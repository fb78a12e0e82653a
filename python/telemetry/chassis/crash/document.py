"""The dump as one JSON document of bounded size, whose sections stand for themselves."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from telemetry._codec import __version__
from telemetry.chassis.config.secrets import hide
from telemetry.chassis.crash import DUMP_BYTES_MAX, format_of
from telemetry.chassis.crash.capture import error_values, message_of, scene_of, trace_of
from telemetry.chassis.crash.sections import BlackBox, Provider, section
from telemetry.chassis.logs import recent_lines

# The part of a section that is kept when there is no room for all of it.
EXCERPT_CHARACTERS = 25_000

PACKAGES = ("trio", "orjson", "h11", "prometheus-client")
"""The libraries that every service stands on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DumpOptions:
    """The service that the dumps are from, what they say of the settings, and where they go."""

    service: str
    """Begins the names of the files and the format."""
    instance_id: str
    directory: str
    """PANIC_DUMP_DIR."""
    configuration: Mapping[str, object]
    """The settings, by the names of their variables."""
    secrets: tuple[str, ...]
    """Hidden wherever they stand, in each of these spellings."""
    versions: Callable[[], Mapping[str, str]] = dict
    """Versions that the service adds, by name."""


def document(error: BaseException, box: BlackBox, options: DumpOptions) -> bytes:
    """The dump as JSON, DUMP_BYTES_MAX at most, with none of the secrets in it."""
    # Errors and log lines may quote anything: each text is cleaned.
    clean = partial(hide, secrets=options.secrets)
    scene = scene_of(error) or box.late_scene()
    sections: dict[str, Provider] = {
        "time": lambda: _shown(datetime.now(UTC)),
        "instance_id": lambda: options.instance_id,
        "pid": os.getpid,
        "error": lambda: message_of(error),
        "failed_task": lambda: scene.failed_task,
        "seen_at": lambda: _shown(scene.taken_at),
        "tree": lambda: trace_of(error),
        "exceptions": lambda: error_values(error),
        "tasks": lambda: scene.tasks,
        **{name: partial(_itself, value) for name, value in scene.sections.items()},
        "configuration": lambda: options.configuration,
        "versions": lambda: {**options.versions(), **versions()},
        "log": recent_lines,
    }
    shown = {name: section(provider, clean) for name, provider in sections.items()}
    return _bounded({"format": format_of(options.service), **shown})


def versions() -> dict[str, str]:
    """Codec, interpreter, system and the libraries of every service, by name."""
    system = os.uname()
    return {
        "codec": __version__,
        "python": sys.version,
        "os": f"{system.sysname} {system.release} {system.version} {system.machine}",
        **package_versions(*PACKAGES),
    }


def package_versions(*names: str) -> dict[str, str]:
    """The versions of packages, without those that are not installed."""
    # Imported late: it takes longer to load than all other modules of the dump, and a crash is rare.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _itself(value: object) -> object:
    return value


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bounded(sections: dict[str, object]) -> bytes:
    # ASCII, so that characters are bytes.
    texts = {name: f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sections.items()}
    while sum(map(len, texts.values())) > DUMP_BYTES_MAX - 100 * len(texts):
        name = max(texts, key=lambda name: len(texts[name]))
        note = {"trimmed": len(texts[name]), "excerpt": texts[name][:EXCERPT_CHARACTERS]}
        texts[name] = f"{json.dumps(name)}: {json.dumps(note)}"
    return ("{\n" + ",\n".join(texts.values()) + "\n}\n").encode("ascii")
