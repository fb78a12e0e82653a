"""A tree of exceptions as text, and as values that a program can walk."""

from __future__ import annotations

import traceback

FRAMES_MAX = 50
# As the standard library's own rendering of groups has them.
GROUP_WIDTH_MAX = 15
DEPTH_MAX = 10
LEAVES_SHOWN = 3


def as_text(error: BaseException) -> str:
    """The whole tree with its traces, as the interpreter would show it."""
    return "".join(traceback.format_exception(error))


def message_of(error: BaseException) -> str:
    """Type and text, of a group the first leaves' as well; what fails to become text is told by its type."""
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
    """The exceptions of a group and of the groups in it; one that is no group is its own leaf."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves_of(each)]


def as_values(error: BaseException, depth: int = 0) -> dict[str, object]:
    """Type, text, notes and frames (the innermost last), with cause or context and a group's members below."""
    told: dict[str, object] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": message_of(error),
        "frames": [
            {"file": frame.filename, "line": frame.lineno, "function": frame.name}
            for frame in traceback.extract_tb(error.__traceback__, limit=-FRAMES_MAX)
        ],
    }
    if depth == DEPTH_MAX:
        return told
    if error.__cause__ is not None:
        told["cause"] = as_values(error.__cause__, depth + 1)
    elif error.__context__ is not None and not error.__suppress_context__:
        told["context"] = as_values(error.__context__, depth + 1)
    if isinstance(error, BaseExceptionGroup):
        told["members"] = len(error.exceptions)
        told["exceptions"] = [
            as_values(each, depth + 1) for each in error.exceptions[:GROUP_WIDTH_MAX]
        ]
    return told
