"""A catalogue of events: what a program may say, declared once, with a level and the types of its fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._level import level_number

if TYPE_CHECKING:
    from ._logger import Logger

_JSON_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_EXCEPTION = frozenset(
    {
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "exception.notes",
        "exception.group",
        "exception.chain",
        "exception.locals",
    }
)
NAME_FIELD = "event.name"


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of thing that a program says.

    Attributes:
        name: Tells it from all others; the `event.name` of its lines, and OpenTelemetry's EventName.
        level: How much it matters.
        fields: The type of each: bool, int, float (which takes an int), str, list or dict.
        optional: Fields that may be absent or None.
        doc: When it is said, in a sentence.

    Example:
        >>> from hxp_logging import get_logger
        >>> SOLD = Event("shop.sold", level="INFO", fields={"item": str, "pieces": int}, doc="A sale is complete.")
        >>> SOLD.log(get_logger("shop"), item="tea pot", pieces=2)
    """

    name: str
    level: str = "INFO"
    fields: Mapping[str, type] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    doc: str = ""

    def __post_init__(self) -> None:
        level_number(self.level)
        for name, kind in self.fields.items():
            if kind not in _JSON_TYPES:
                types = ", ".join(known.__name__ for known in _JSON_TYPES)
                raise ValueError(f"field {name!r} of event {self.name!r} has type {kind!r}: use one of {types}")
        if unknown := sorted(self.optional - set(self.fields)):
            raise ValueError(f"event {self.name!r} has no field {unknown[0]!r} that could be optional")

    def log(self, logger: "Logger", /, **fields: Any) -> None:
        """Say it. The fields are not looked at here: tests do that, with `hxp_logging.testing.check_events`."""
        logger.log(self.level, self.name, **{NAME_FIELD: self.name}, **fields)

    def problems(self, attributes: Mapping[str, Any]) -> list[str]:
        """Tell what is wrong with the fields of a line."""
        given = {name: value for name, value in attributes.items() if name != NAME_FIELD and name not in _EXCEPTION}
        found = [f"{self.name}: field {name!r} is not declared" for name in given if name not in self.fields]
        for name, kind in self.fields.items():
            value = given.get(name)
            if value is None:
                if name not in self.optional:
                    found.append(f"{self.name}: field {name!r} is missing")
            elif not _is_of(value, kind):
                found.append(f"{self.name}: field {name!r} is {type(value).__name__}, not {kind.__name__}")
        return found

    def schema(self) -> dict[str, Any]:
        """Return a JSON Schema of the line's attributes."""
        properties: dict[str, Any] = {NAME_FIELD: {"const": self.name}}
        for name, kind in self.fields.items():
            json_type = _JSON_TYPES[kind]
            properties[name] = {"type": [json_type, "null"] if name in self.optional else json_type}
        return {
            "title": self.name,
            "description": self.doc,
            "x-level": self.level.upper(),
            "type": "object",
            "properties": properties,
            "required": sorted(properties.keys() - self.optional),
        }


class Catalogue:
    """All events of a program.

    Raises:
        ValueError: Two events have one name.

    Example:
        >>> catalogue = Catalogue([Event("shop.opened"), Event("shop.closed", fields={"takings": float})])
        >>> sorted(catalogue.schema()["$defs"])
        ['shop.closed', 'shop.opened']
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self._events: dict[str, Event] = {}
        for event in events:
            if event.name in self._events:
                raise ValueError(f"event {event.name!r} is declared twice")
            self._events[event.name] = event

    def problems(self, line: Mapping[str, Any]) -> list[str]:
        """Tell what is wrong with a JSON line that carries an `event.name`; of others, nothing is."""
        attributes = line.get("attributes", {})
        name = attributes.get(NAME_FIELD)
        if name is None:
            return []
        event = self._events.get(name)
        if event is None:
            return [f"event {name!r} is not in the catalogue"]
        found = event.problems(attributes)
        if line.get("severity_text") != event.level.upper():
            found.append(f"{name}: level is {line.get('severity_text')}, not {event.level.upper()}")
        return found

    def schema(self) -> dict[str, Any]:
        """Return a JSON Schema (2020-12) of the attributes of all events."""
        events = {name: self._events[name].schema() for name in sorted(self._events)}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": events,
            "oneOf": [{"$ref": f"#/$defs/{name}"} for name in events],
        }


def _is_of(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
