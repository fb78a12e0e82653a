"""The scene of a crash: how everything stood when the first error left a task, carried by that error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import trio

from telemetry.chassis.crash.exceptions import leaves_of
from telemetry.chassis.crash.task_tree import TaskState

# What an exception carries its scene under. So the scene lives exactly as long as the error does:
# if somebody handles that, nothing is left of it.
_SCENE = "_processor_scene"


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of the service; plain values alone."""

    taken_at: datetime
    failed_task: str | None
    """The task that the error left; None when it was seen only after all tasks had ended."""
    tasks: tuple[TaskState, ...]
    sections: Mapping[str, object]
    """What the black box's providers said, by section."""


class Witness(trio.abc.Instrument):
    """Takes the scene as soon as an error leaves a task, before the tasks beside it are unwound.

    By then these are cancelled, but have not run: each still stands where it stood. An error in the body
    of a nursery is seen when the first of its tasks ends, so that some may have moved on. The hook runs
    once a task's end, never on the way of a batch.
    """

    def __init__(self, take: Callable[[str], Scene]) -> None:
        self._take = take

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Look for an error that nobody has seen yet."""
        nursery = task.parent_nursery
        # Private, as Trio tells instruments no outcomes; a contract test holds the name.
        pending: list[BaseException] = getattr(nursery, "_pending_excs", [])
        for error in pending:
            leaves = [each for each in leaves_of(error) if not isinstance(each, trio.Cancelled)]
            if leaves and not any(_SCENE in each.__dict__ for each in leaves):
                left = task if error is pending[-1] or nursery is None else nursery.parent_task
                _attach(self._take(left.name), leaves)


def scene_of(error: BaseException) -> Scene | None:
    """The earliest scene that the tree of exceptions carries, causes and contexts included."""
    scenes: list[Scene] = []
    seen: set[int] = set()
    unseen: list[BaseException | None] = [error]
    while unseen:
        each = unseen.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if scene := each.__dict__.get(_SCENE):
            scenes.append(scene)
        unseen += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            unseen += each.exceptions
    return min(scenes, key=lambda scene: scene.taken_at, default=None)


def _attach(scene: Scene, leaves: list[BaseException]) -> None:
    for each in leaves:
        # Past __setattr__, which an exception may have forbidden.
        each.__dict__[_SCENE] = scene
