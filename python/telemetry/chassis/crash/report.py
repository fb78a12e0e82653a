"""Puts the dump together: sections that stand for themselves, in one JSON document of bounded size."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from processor.config.secrets import secrets_of
from telemetry.chassis.config.secrets import hide
from telemetry.chassis.crash.black_box import BlackBox, section
from telemetry.chassis.crash.exceptions import as_text, as_values, message_of
from telemetry.chassis.crash.form import DUMP_BYTES_MAX, FORMAT
from telemetry.chassis.crash.scene import scene_of
from telemetry.chassis.crash.versions import versions
from telemetry.chassis.logs import recent_lines

if TYPE_CHECKING:
    from processor.config import Config

# What is left of a section that has no room.
EXCERPT_CHARACTERS = 25_000


def document(error: BaseException, box: BlackBox, config: Config) -> bytes:
    """The dump as JSON, DUMP_BYTES_MAX at most, with none of the configuration's secrets in it."""
    # Errors and log lines quote what they like: no text passes unseen.
    clean = partial(hide, secrets=secrets_of(config))
    scene = scene_of(error) or box.late_scene()
    sections: dict[str, Callable[[], object]] = {
        "time": lambda: _shown(datetime.now(UTC)),
        "instance_id": lambda: config.instance_id,
        "pid": os.getpid,
        "error": lambda: message_of(error),
        "failed_task": lambda: scene.failed_task,
        "seen_at": lambda: _shown(scene.taken_at),
        "tree": lambda: as_text(error),
        "exceptions": lambda: as_values(error),
        "tasks": lambda: scene.tasks,
        **{name: partial(_itself, told) for name, told in scene.sections.items()},
        "configuration": lambda: _variables(config),
        "versions": versions,
        "log": recent_lines,
    }
    told = {name: section(provider, clean) for name, provider in sections.items()}
    return _bounded({"format": FORMAT, **told})


def _itself(value: object) -> object:
    return value


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _variables(config: Config) -> dict[str, object]:
    """Under the names that an operator sets them by."""
    return {each.name.upper(): getattr(config, each.name) for each in fields(config)}


def _bounded(sections: dict[str, object]) -> bytes:
    # ASCII, so that characters are bytes.
    texts = {name: f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sections.items()}
    while sum(map(len, texts.values())) > DUMP_BYTES_MAX - 100 * len(texts):
        name = max(texts, key=lambda name: len(texts[name]))
        note = {"trimmed": len(texts[name]), "excerpt": texts[name][:EXCERPT_CHARACTERS]}
        texts[name] = f"{json.dumps(name)}: {json.dumps(note)}"
    return ("{\n" + ",\n".join(texts.values()) + "\n}\n").encode("ascii")
