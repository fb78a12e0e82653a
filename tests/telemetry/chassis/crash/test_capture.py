"""The scene: taken at the first error, with every task where it stood, and forgotten with a handled error."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from telemetry.chassis.crash.capture import (
    TASK_FRAMES_MAX,
    TASKS_MAX,
    Scene,
    Witness,
    scene_of,
    task_tree,
)
from telemetry.chassis.crash.sections import BlackBox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class PanicException(BaseException):
    """As pyo3's, no Exception."""


async def wait_deep() -> None:
    await trio.sleep_forever()


async def stubborn() -> None:
    """Has something to do when it is cancelled."""
    try:
        await wait_deep()
    finally:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()


async def fail(error: BaseException) -> None:
    await trio.testing.wait_all_tasks_blocked()
    raise error


def scene_after(live: Callable[[], Awaitable[object]]) -> tuple[Scene | None, BaseException]:
    """The scene that the error which ends `live` carries, and that error."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # each test has its own
        trio.run(live, instruments=[Witness(BlackBox().scene)])
    return scene_of(caught.value), caught.value


def names(scene: Scene) -> list[str]:
    return [task.name.rpartition(".")[2] for task in scene.tasks]


def functions(scene: Scene, name: str) -> list[str]:
    [task] = [task for task in scene.tasks if task.name.endswith(name)]
    return [place.function for place in task.frames]


@pytest.mark.parametrize("error", [KeyError("k"), PanicException("k"), MemoryError()])
def test_the_tasks_stand_where_they_stood_when_the_first_error_left_a_task(
    error: BaseException,
) -> None:
    async def live() -> None:
        async with trio.open_nursery() as outer:
            outer.start_soon(stubborn)
            async with trio.open_nursery() as inner:
                inner.start_soon(wait_deep)
                inner.start_soon(fail, error)

    scene, _ = scene_after(live)
    assert scene is not None
    assert scene.failed_task is not None
    assert scene.failed_task.endswith(".fail")
    assert functions(scene, ".stubborn")[:2] == ["stubborn", "wait_deep"]
    assert functions(scene, ".wait_deep")[0] == "wait_deep"
    assert "fail" not in names(scene)
    depths = {task.name.rpartition(".")[2]: task.depth for task in scene.tasks}
    assert depths["stubborn"] == depths["wait_deep"] == depths["live"] + 1


def test_of_two_errors_the_first_ones_scene_counts() -> None:
    async def later() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("second")

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            nursery.start_soon(fail, KeyError("first"))

    scene, error = scene_after(live)
    assert isinstance(error, BaseExceptionGroup)
    assert len(error.exceptions) == 2
    assert scene is not None
    assert scene.failed_task is not None
    assert scene.failed_task.endswith(".fail")
    assert "later" in names(scene)


def test_an_error_in_the_body_of_a_nursery_is_seen_when_the_first_of_its_tasks_ends() -> None:
    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_deep)
            nursery.start_soon(stubborn)
            await fail(KeyError("body"))

    scene, _ = scene_after(live)
    assert scene is not None
    assert scene.failed_task is not None
    assert scene.failed_task.endswith("live")
    assert "stubborn" in names(scene)


def test_an_error_that_is_caught_and_raised_as_another_keeps_its_scene() -> None:
    async def live() -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait_deep)
                nursery.start_soon(fail, KeyError("cause"))
        except* KeyError as group:
            raise RuntimeError("wrapped") from group

    scene, _ = scene_after(live)
    assert scene is not None
    assert "wait_deep" in names(scene)


def test_a_handled_error_takes_its_scene_with_it() -> None:
    async def live() -> None:
        handled = KeyError("handled")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, handled)
        except* KeyError:
            pass
        assert scene_of(handled) is not None
        raise ValueError("crash")

    scene, _ = scene_after(live)
    assert scene is None


def test_a_scene_keeps_nothing_alive_that_the_tasks_held() -> None:
    class Batch:
        pass

    held: list[weakref.ref[Batch]] = []

    async def hold() -> None:
        batch = Batch()
        held.append(weakref.ref(batch))
        await trio.sleep_forever()

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold)
            nursery.start_soon(fail, KeyError("k"))

    scene, error = scene_after(live)
    assert scene is not None
    del error
    gc.collect()
    assert held[0]() is None


def test_a_cancellation_is_no_error() -> None:
    taken: list[str] = []
    box = BlackBox()

    def take(name: str) -> Scene:
        taken.append(name)
        return box.scene(name)

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_deep)
            nursery.start_soon(stubborn)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(live, instruments=[Witness(take)])
    assert taken == []


def test_the_witness_is_called_for_the_ends_of_tasks_alone() -> None:
    hooks = {name for name in vars(trio.abc.Instrument) if not name.startswith("_")}
    assert hooks & vars(Witness).keys() == {"task_exited"}


def test_an_exception_that_forbids_attributes_carries_a_scene_as_well() -> None:
    class Frozen(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, Frozen())

    assert scene_after(live)[0] is not None


async def test_the_tree_is_bounded_in_tasks_and_frames() -> None:
    async def deep(levels: int) -> None:
        if levels:
            await deep(levels - 1)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for _ in range(TASKS_MAX):
            nursery.start_soon(wait_deep)
        nursery.start_soon(deep, TASK_FRAMES_MAX)
        await trio.testing.wait_all_tasks_blocked()
        tree = task_tree()
        nursery.cancel_scope.cancel()
    assert len(tree) == TASKS_MAX
    assert max(len(task.frames) for task in tree) == TASK_FRAMES_MAX


async def test_trio_still_keeps_a_nurserys_errors_under_the_private_name() -> None:
    async with trio.open_nursery() as nursery:
        assert nursery._pending_excs == []
