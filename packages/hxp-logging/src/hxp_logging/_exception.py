"""Exceptions as fields, under the stable names of OpenTelemetry's semantic conventions; loaded with the first one."""

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._secret import printable_text, unprintable

if TYPE_CHECKING:
    from ._clean import Cleaner
    from ._secret import Secrets

_MAX_CHAIN = 16
_MAX_GROUP = 16
_MAX_DEPTH = 4
_MAX_NOTES = 8
_MAX_FRAMES = 8
_MAX_STACK = 64
_JOINTS = {
    "cause": "\nThe above exception was the direct cause of the following exception:\n\n",
    "context": "\nDuring handling of the above exception, another exception occurred:\n\n",
}


def exception_fields(
    error: BaseException, cleaner: "Cleaner", secrets: "Secrets", *, show_locals: bool = False
) -> dict[str, Any]:
    """Describe an exception: its type, message and stack trace, and what it came from or holds.

    `exception.chain` tells causes, the newest first, `exception.notes` what was added (PEP 678), `exception.group` the
    members of a group (PEP 654); all of them bounded, and without the values of local variables unless asked.
    """
    chain = list(_chain(error))
    fields: dict[str, Any] = {
        "exception.type": _type_name(error),
        "exception.message": cleaner.text(_message(error)),
        "exception.stacktrace": printable_text(secrets.cut_middle(_stack(chain))),
    }
    if notes := _notes(error, cleaner):
        fields["exception.notes"] = notes
    if isinstance(error, BaseExceptionGroup):
        fields["exception.group"] = _members(error, cleaner, _MAX_DEPTH)
    if len(chain) > 1:
        fields["exception.chain"] = [
            {"relation": relation, **_short(linked, cleaner, _MAX_DEPTH)} for relation, linked in chain[1:]
        ]
    if show_locals:
        fields["exception.locals"] = _locals(error.__traceback__, cleaner)
    return fields


def _chain(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield an exception and those before it, each with its relation to the one it was yielded after."""
    relation, linked, seen = "", error, {id(error)}
    yield relation, linked
    while len(seen) < _MAX_CHAIN:
        if linked.__cause__ is not None:
            relation, linked = "cause", linked.__cause__
        elif linked.__context__ is not None and not linked.__suppress_context__:
            relation, linked = "context", linked.__context__
        else:
            return
        if id(linked) in seen:
            return
        seen.add(id(linked))
        yield relation, linked


def _stack(chain: list[tuple[str, BaseException]]) -> str:
    try:
        parts: list[str] = []
        for relation, error in chain:
            lines = traceback.format_exception(type(error), error, error.__traceback__, limit=-_MAX_STACK, chain=False)
            parts = [*lines, _JOINTS[relation], *parts] if relation else lines
        return "".join(parts)
    except Exception:  # noqa: BLE001 - an exception that cannot be told must not raise another
        return unprintable(chain[0][1])


def _short(error: BaseException, cleaner: "Cleaner", depth: int) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _type_name(error), "message": cleaner.text(_message(error))}
    if notes := _notes(error, cleaner):
        told["notes"] = notes
    if isinstance(error, BaseExceptionGroup) and depth:
        told["group"] = _members(error, cleaner, depth - 1)
    return told


def _members(group: BaseExceptionGroup[Any], cleaner: "Cleaner", depth: int) -> list[Any]:
    members: list[Any] = [_short(error, cleaner, depth) for error in group.exceptions[:_MAX_GROUP]]
    return members if len(group.exceptions) <= _MAX_GROUP else [*members, f"[cut, {len(group.exceptions)} items]"]


def _notes(error: BaseException, cleaner: "Cleaner") -> list[str]:
    try:
        notes = getattr(error, "__notes__", None)
    except Exception:  # noqa: BLE001 - an exception that cannot be told must not raise another
        return []
    return [cleaner.event(note) for note in notes[:_MAX_NOTES]] if isinstance(notes, list) else []


def _locals(trace: TracebackType | None, cleaner: "Cleaner") -> list[dict[str, Any]]:
    """Tell the variables of the innermost frames; their names are looked at like those of fields."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)][-_MAX_FRAMES:]
    return [
        {
            "function": frame.f_code.co_qualname,
            "locals": cleaner.clean({name: _shown(value) for name, value in frame.f_locals.items()}),
        }
        for frame in frames
    ]


def _shown(value: Any) -> Any:
    try:
        return value if isinstance(value, str | int | float | bool | dict | list | tuple | None) else repr(value)
    except Exception:  # noqa: BLE001 - a strange object must not stop the program that logs it
        return unprintable(value)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be told must not raise another
        return unprintable(error)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
