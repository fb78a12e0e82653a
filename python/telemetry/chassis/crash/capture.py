"""The moment of a crash: the tree of exceptions, every task where it stood, and the scene that an error carries."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import trio

# The service has some twenty tasks; connections to its HTTP port come on top.
TASKS_MAX = 200
# The innermost frames say where a task waits; a client library may put a dozen on top of ours.
TASK_FRAMES_MAX = 24

ERROR_FRAMES_MAX = 50
# As in the standard library's own rendering of groups.
GROUP_WIDTH_MAX = 15
DEPTH_MAX = 10
LEAVES_SHOWN = 3

# The attribute under which an exception carries its scene. So the scene lives exactly as long as the error:
# if the error is handled, nothing is left of it.
_SCENE = "_crash_scene"


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
    """Its distance from the root of the tree; a task follows its parent in the list."""
    frames: tuple[Place, ...]
    """Where it stands, the innermost last."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of the service; plain values alone."""

    taken_at: datetime
    failed_task: str | None
    """The task that the error left; None if all tasks had ended when it was seen, or if there was no error."""
    tasks: tuple[TaskState, ...]
    sections: Mapping[str, object]
    """The service's own sections, by name."""


class Witness(trio.abc.Instrument):
    """Takes the scene as soon as an error leaves a task, before its neighbours are unwound.

    At that moment the neighbours are cancelled, but have not run: each still stands where it stood. An error
    in the body of a nursery is seen when the first of its tasks ends, so that some may have moved on. The hook
    runs once for each task that ends, never once for a batch.
    """

    def __init__(self, take: Callable[[str], Scene]) -> None:
        self._take = take

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Look for an error that nobody has seen yet."""
        nursery = task.parent_nursery
        # Private, since Trio gives instruments no outcomes; a contract test holds the name.
        pending: list[BaseException] = getattr(nursery, "_pending_excs", [])
        for error in pending:
            leaves = [each for each in leaves_of(error) if not isinstance(each, trio.Cancelled)]
            if leaves and not any(_SCENE in each.__dict__ for each in leaves):
                left = task if error is pending[-1] or nursery is None else nursery.parent_task
                attach(self._take(left.name), leaves)


def attach(scene: Scene, leaves: list[BaseException]) -> None:
    """Have these errors carry the scene."""
    for each in leaves:
        # Past __setattr__, which an exception may have forbidden.
        each.__dict__[_SCENE] = scene


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


def task_tree() -> tuple[TaskState, ...]:
    """Every task of this run that has not ended, TASKS_MAX at most. Call it inside of the run.

    Holds only texts and numbers: frames would keep alive what the tasks hold.
    """
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [(root, 0)]
    states: list[TaskState] = []
    while waiting and len(states) < TASKS_MAX:
        task, depth = waiting.pop()
        states.append(TaskState(task.name, depth, _frames(task)))
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        # A nursery holds its tasks in a set. Sorted by name, two crashes read alike.
        children.sort(key=lambda child: child.name, reverse=True)
        waiting += [(child, depth + 1) for child in children]
    return tuple(states)


def _frames(task: trio.lowlevel.Task) -> tuple[Place, ...]:
    places = [
        Place(frame.f_code.co_filename, line, frame.f_code.co_qualname)
        for frame, line in task.iter_await_frames()
    ]
    return tuple(places[-TASK_FRAMES_MAX:])


def trace_of(error: BaseException) -> str:
    """The whole tree of exceptions with its traces, as the interpreter would show it."""
    return "".join(traceback.format_exception(error))


def message_of(error: BaseException) -> str:
    """Type and text of an error, and of the first leaves of a group. It never fails."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # whatever it is, it must not hide the error itself
        text = "(its text cannot be made)"
    message = f"{type(error).__name__}: {text}"
    if not isinstance(error, BaseExceptionGroup):
        return message
    leaves = leaves_of(error)
    shown = "; ".join(message_of(each) for each in leaves[:LEAVES_SHOWN])
    return f"{message}: {shown}" + ("; ..." if len(leaves) > LEAVES_SHOWN else "")


def leaves_of(error: BaseException) -> list[BaseException]:
    """The exceptions of a group and of the groups in it; any other exception is its own leaf."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves_of(each)]


def error_values(error: BaseException, depth: int = 0) -> dict[str, object]:
    """Type, text and frames (the innermost last), with the cause or context and a group's members below."""
    values: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": message_of(error),
        "frames": [
            {"file": frame.filename, "line": frame.lineno, "function": frame.name}
            for frame in traceback.extract_tb(error.__traceback__, limit=-ERROR_FRAMES_MAX)
        ],
    }
    if depth == DEPTH_MAX:
        return values
    if error.__cause__ is not None:
        values["cause"] = error_values(error.__cause__, depth + 1)
    elif error.__context__ is not None and not error.__suppress_context__:
        values["context"] = error_values(error.__context__, depth + 1)
    if isinstance(error, BaseExceptionGroup):
        values["members"] = len(error.exceptions)
        values["exceptions"] = [
            error_values(each, depth + 1) for each in error.exceptions[:GROUP_WIDTH_MAX]
        ]
    return values
