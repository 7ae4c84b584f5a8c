"""Look at what a program logs, and hold it to its word; nothing is left behind."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orjson import loads

from . import _default
from ._level import LevelName
from ._logging import Logging

if TYPE_CHECKING:
    from ._event import Catalogue

__all__ = ["assert_logged", "assert_not_logged", "capture", "check_events"]


class _ListSink:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, line: bytes, _level: int, /) -> None:
        self.events.append(loads(line))

    def flush(self, _timeout: float, /) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def capture(logging: Logging | None = None, *, level: LevelName = "DEBUG") -> Iterator[list[dict[str, Any]]]:
    """Collect lines instead of writing them.

    Args:
        logging: Whose lines; the process default's, unless given.
        level: The lowest level to collect.

    Yields:
        The lines as they would stand in JSON, redacted and all; it grows while the block runs.

    Example:
        >>> from hxp_logging import get_logger
        >>> with capture() as events:
        ...     get_logger("shop").info("opened", till=3)
        >>> events[0]["body"], events[0]["attributes"]
        ('opened', {'till': 3})
    """
    sink = _ListSink()
    undo = (logging or _default.DEFAULT.logging).divert(sink, level)
    try:
        yield sink.events
    finally:
        undo()


def assert_logged(
    events: Iterable[Mapping[str, Any]], body: str, /, *, level: str | None = None, **fields: Any
) -> None:
    """Fail unless a line says this, with at least these fields.

    Example:
        >>> from hxp_logging import get_logger
        >>> with capture() as events:
        ...     get_logger("shop").info("opened", till=3, by="me")
        >>> assert_logged(events, "opened", level="INFO", till=3)
    """
    events = list(events)
    if not any(_says(event, body, level, fields) for event in events):
        wanted = f"{level or 'any level'}: {body!r} with {fields!r}"
        raise AssertionError(f"nobody said {wanted}; what was said:\n{_listed(events)}")


def assert_not_logged(
    events: Iterable[Mapping[str, Any]], body: str, /, *, level: str | None = None, **fields: Any
) -> None:
    """Fail if a line says this, with at least these fields."""
    said = [event for event in events if _says(event, body, level, fields)]
    if said:
        raise AssertionError(f"somebody said what nobody should have:\n{_listed(said)}")


def check_events(events: Iterable[Mapping[str, Any]], catalogue: "Catalogue") -> None:
    """Fail if a line that carries an `event.name` is not what the catalogue declares.

    Example:
        >>> from hxp_logging import Catalogue, Event, get_logger
        >>> SOLD = Event("shop.sold", fields={"pieces": int})
        >>> with capture() as events:
        ...     SOLD.log(get_logger("shop"), pieces=2, colour="red")
        >>> check_events(events, Catalogue([SOLD]))
        Traceback (most recent call last):
        AssertionError: shop.sold: field 'colour' is not declared
    """
    problems = [problem for event in events for problem in catalogue.problems(event)]
    if problems:
        raise AssertionError("\n".join(problems))


def _says(event: Mapping[str, Any], body: str, level: str | None, fields: Mapping[str, Any]) -> bool:
    attributes = event.get("attributes", {})
    return (
        event.get("body") == body
        and (level is None or event.get("severity_text") == level)
        and all(name in attributes and attributes[name] == value for name, value in fields.items())
    )


def _listed(events: Iterable[Mapping[str, Any]]) -> str:
    lines = [f"  {event.get('severity_text')}: {event.get('body')!r} {event.get('attributes')!r}" for event in events]
    return "\n".join(lines) or "  nothing"
