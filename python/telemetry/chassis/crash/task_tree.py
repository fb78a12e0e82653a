"""Trio's tree of tasks, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass

import trio

# The service has some twenty tasks; connections to its HTTP port come on top.
TASKS_MAX = 200
# The innermost frames say where a task waits; a client library may put a dozen on top of ours.
FRAMES_MAX = 24


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task that had not ended."""

    name: str
    depth: int
    """Below the root of the tree, 0; a task follows its parent in the list."""
    frames: tuple[Place, ...]
    """Where it stands, the innermost last."""


def task_tree() -> tuple[TaskState, ...]:
    """Every task of this run that has not ended, TASKS_MAX at most. To be called inside of the run.

    Holds texts and numbers alone: frames would keep alive what the tasks hold.
    """
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [(root, 0)]
    states: list[TaskState] = []
    while waiting and len(states) < TASKS_MAX:
        task, depth = waiting.pop()
        states.append(TaskState(task.name, depth, _frames(task)))
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        # Nurseries hold their tasks in sets: by name, one crash reads as the other.
        children.sort(key=lambda child: child.name, reverse=True)
        waiting += [(child, depth + 1) for child in children]
    return tuple(states)


def _frames(task: trio.lowlevel.Task) -> tuple[Place, ...]:
    places = [
        Place(frame.f_code.co_filename, line, frame.f_code.co_qualname)
        for frame, line in task.iter_await_frames()
    ]
    return tuple(places[-FRAMES_MAX:])
