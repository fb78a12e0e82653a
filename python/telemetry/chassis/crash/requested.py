"""Dumps that an operator asks for: as after a crash, while the service goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from telemetry.chassis.crash.capture import attach
from telemetry.chassis.crash.document import document
from telemetry.chassis.crash.files import (
    DumpOutcome,
    file_name,
    file_prefix,
    remove_old,
    write_whole,
)

if TYPE_CHECKING:
    from telemetry.chassis.crash.capture import Scene
    from telemetry.chassis.crash.document import DumpOptions
    from telemetry.chassis.crash.sections import BlackBox

KIND: Final = "dump"
"""In the names of the files, where a crash has `panic`: each kind has its own newest ten."""


class DumpRequested(Exception):
    """No error: it stands in the dump where that of a crash has its own."""


async def leave_requested_dump(box: BlackBox, options: DumpOptions) -> DumpOutcome:
    """Write a dump of this moment to PANIC_DUMP_DIR; why it could not be written is a value.

    The moment is taken at once; the rest is done in a thread, however long the disk takes. Cancelled, it leaves the
    thread alone.
    """
    scene = box.scene(None)
    return await trio.to_thread.run_sync(_leave, scene, box, options, abandon_on_cancel=True)


def _leave(scene: Scene, box: BlackBox, options: DumpOptions) -> DumpOutcome:
    request = DumpRequested("an operator asked for this dump; the service went on")
    attach(scene, [request])
    directory = Path(options.directory)
    prefix = file_prefix(options.service, options.instance_id, KIND)
    try:
        data = document(request, box, options)
        path = write_whole(directory, file_name(prefix, scene.taken_at), data)
    except OSError as fault:
        return DumpOutcome(None, f"{directory}: {fault.strerror or fault}")
    remove_old(directory, prefix)
    return DumpOutcome(str(path), None)
