"""JSON schemas in the one form that an engine gets: every `$ref` leads to a schema in the `$defs` of the root.

llama.cpp follows references while it turns a schema into a grammar. A `$ref` that reaches itself without consuming a
property or an item ends its process, alternatives that double at each level take all time, and it reads pointers
differently from RFC 6901. So references are resolved and checked here, and the engine sees no other spelling of them.
It makes one rule of each reference, except within `allOf`: there it writes the schema out each time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ._grammar_budget import branching, digits
from .chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FORM_NODES = 4096
"""Keys and entries of one schema once each of its references has a place of its own."""
MAX_RULES = 8192
"""Rules that one schema may become; a list of types repeats all that is below it."""
MAX_PATHS = 4096
"""Alternatives that may begin at one place, through references, unions, patterns and bounds of numbers."""

_DEFINITIONS = frozenset({"$defs", "definitions"})
_DATA = frozenset({"const", "default", "enum", "examples"})
_MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})
_CONSUMING = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "items",
        "patternProperties",
        "prefixItems",
        "properties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_ANNOTATIONS = frozenset(
    {"$comment", "default", "deprecated", "description", "examples", "readOnly", "title", "type", "writeOnly"}
)
_PREFIX = "#/$defs/"
_ROOT = ""

_Pointer = tuple[str, ...]


def plain_schema(schema: dict[str, Any], place: str) -> dict[str, Any]:
    """Return `schema` with its references resolved into `$defs`, checked for what an engine cannot compile.

    Recursion through a property or an item is legal. The depth of the schema must have been bounded before.

    Args:
        schema: The schema as it came; not changed.
        place: Its place in the request, for `param`.

    Raises:
        ServiceError: 400, with the place in `param`.
    """
    form = _Form(schema, place)
    form.refuse_endless()
    form.refuse_explosions()
    return form.result()


class _Form:
    """One schema on its way into the form of the engine."""

    def __init__(self, schema: dict[str, Any], place: str) -> None:
        self._schema = schema
        self._place = place
        self._nodes = 0
        self._names: dict[_Pointer, str] = {}
        self._pointers: dict[str, _Pointer] = {_ROOT: ()}
        self._by_path: list[str] = []
        self._by_size: list[str] = []
        self._schemas: dict[str, Any] = {_ROOT: self._rewritten(schema, ())}
        while missing := [pointer for pointer, name in self._names.items() if name not in self._schemas]:
            for pointer in missing:
                name = self._names[pointer]
                self._pointers[name] = pointer
                self._schemas[name] = self._rewritten(self._resolved(pointer), pointer)

    def result(self) -> dict[str, Any]:
        """The whole schema."""
        root: dict[str, Any] = self._schemas[_ROOT]
        definitions = {name: schema for name, schema in self._schemas.items() if name != _ROOT}
        return {**root, "$defs": definitions} if definitions else root

    def _rewritten(self, schema: Any, at: _Pointer) -> Any:
        if isinstance(schema, list):
            self._count(len(schema))
            return [self._rewritten(entry, (*at, str(number))) for number, entry in enumerate(schema)]
        if not isinstance(schema, dict):
            return schema
        self._count(len(schema))
        out: dict[str, Any] = {}
        for key, value in schema.items():
            where = (*at, key)
            if key in _DEFINITIONS:
                continue
            if key == "$ref":
                out[key] = _PREFIX + self._name(value, where)
            elif key in _MAPS and isinstance(value, dict):
                self._count(len(value))
                out[key] = {name: self._rewritten(entry, (*where, name)) for name, entry in value.items()}
            else:
                out[key] = value if key in _DATA else self._rewritten(value, where)
        return _only_reference(out)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_FORM_NODES:
            message = f"the schema has more than {MAX_FORM_NODES} keys and entries with its references written out"
            raise self._invalid((), message)

    def _name(self, ref: Any, at: _Pointer) -> str:
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise self._invalid(at, "a $ref is a JSON Pointer into its own schema, such as '#/$defs/name'")
        pointer = _pointer(ref)
        if pointer is None or not isinstance(self._resolved(pointer), dict):
            raise self._invalid(at, f"the $ref {ref[:128]!r} leads to no schema")
        return self._names.setdefault(pointer, f"ref-{len(self._names)}")

    def _resolved(self, pointer: _Pointer) -> Any:
        found: Any = self._schema
        for token in pointer:
            if isinstance(found, dict):
                found = found.get(token)
            elif isinstance(found, list) and re.fullmatch(r"0|[1-9][0-9]{0,5}", token, re.ASCII):
                found = found[int(token)] if int(token) < len(found) else None
            else:
                return None
        return found

    def refuse_endless(self) -> None:
        """Refuse a reference that reaches itself without progress, or only through what `allOf` writes out."""
        in_place = {name: set(_references_in_place(schema)) for name, schema in self._schemas.items()}
        message = "the schema refers to itself without a property or an item between"
        self._by_path = self._without_cycle(in_place, message)
        written_out = {name: in_place[name] | set(_written_out(schema)) for name, schema in self._schemas.items()}
        message = "the schema refers to itself within 'allOf' of several schemas; refer to it outside of one"
        self._by_size = self._without_cycle(written_out, message)

    def refuse_explosions(self) -> None:
        """Refuse what becomes many times its size; cycles must have been refused before."""
        paths: dict[str, int] = {}
        for name in self._by_path:
            paths[name] = _paths(self._schemas[name], paths)
            if paths[name] > MAX_PATHS:
                message = f"more than {MAX_PATHS} alternatives begin here, references followed"
                raise self._invalid(self._pointers[name], message)
        sizes: dict[str, int] = {}
        for name in self._by_size:
            sizes[name] = _rules(self._schemas[name], sizes, is_written_out=False)
        if sum(sizes.values()) > MAX_RULES:
            raise self._invalid(
                (), f"the schema becomes more than {MAX_RULES} rules; shorten its lists of types, and its 'allOf'"
            )

    def _without_cycle(self, edges: dict[str, set[str]], message: str) -> list[str]:
        """Return the schemas in an order in which each comes after those that it leads to."""
        done: dict[str, None] = {}
        for start, first in edges.items():
            path, waiting = ([], []) if start in done else ([start], [iter(sorted(first))])
            while waiting:
                following = next(waiting[-1], None)
                if following is None:
                    done[path.pop()] = None
                    waiting.pop()
                elif following in path:
                    raise self._invalid(self._pointers[following], message)
                elif following not in done:
                    path.append(following)
                    waiting.append(iter(sorted(edges[following])))
        return list(done)

    def _invalid(self, pointer: _Pointer, message: str) -> ServiceError:
        param = ".".join((self._place, *pointer))[:512]
        return ServiceError.of(400, "invalid_value", f"{param}: {message}", param=param)


def _pointer(ref: str) -> _Pointer | None:
    """Read the fragment of `ref` as RFC 6901 has it; `None` if it is none."""
    try:
        fragment = unquote(ref[1:], errors="strict")
    except UnicodeDecodeError:
        return None
    if not fragment:
        return ()
    if not fragment.startswith("/") or re.search(r"~(?![01])", fragment):
        return None
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in fragment[1:].split("/"))


def _children_in_place(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the schemas that apply to the same value as `schema`; unknown keywords count as such."""
    for key, value in schema.items():
        if key in _CONSUMING or key in _DATA:
            continue
        if isinstance(value, list):
            yield from (entry for entry in value if isinstance(entry, dict))
        elif isinstance(value, dict) and key in _MAPS:
            yield from value.values()
        elif isinstance(value, dict):
            yield value


def _references_in_place(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_PREFIX)
    for child in _children_in_place(schema):
        yield from _references_in_place(child)


def _paths(schema: Any, known: dict[str, int]) -> int:
    """Count the alternatives that begin at `schema`, those of its references being known."""
    if not isinstance(schema, dict):
        return 1
    count = len(schema["enum"]) if isinstance(schema.get("enum"), list) else 0
    if "$ref" in schema:
        count += known[schema["$ref"].removeprefix(_PREFIX)]
    count += sum(_paths(child, known) for child in _children_in_place(schema))
    count += branching(schema) + digits(schema)
    return min(max(1, count) * _types(schema), MAX_PATHS + 1)


def _types(schema: dict[str, Any]) -> int:
    types = schema.get("type")
    return max(1, len(types)) if isinstance(types, list) else 1


def _only_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that is nothing but one reference, wrapped in `allOf`, as that reference."""
    wrapped = schema.get("allOf")
    if isinstance(wrapped, list) and len(wrapped) == 1 and isinstance(wrapped[0], dict) and set(wrapped[0]) == {"$ref"}:
        others = schema.keys() - {"allOf"}
        if others <= _ANNOTATIONS:
            return {**{name: value for name, value in schema.items() if name in others - {"type"}}, **wrapped[0]}
    return schema


def _written_out(schema: Any) -> Iterator[str]:
    """Yield the references within each `allOf` of `schema`, at any depth."""
    if isinstance(schema, list):
        for entry in schema:
            yield from _written_out(entry)
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "allOf" and isinstance(value, list):
                for entry in value:
                    yield from _references_in_place(entry)
            if key not in _DATA:
                yield from _written_out(value)


def _rules(schema: Any, known: dict[str, int], *, is_written_out: bool) -> int:
    """Count the rules that `schema` becomes, past the limit only that it is past; references are rules of their own.

    Args:
        schema: The schema.
        known: The counts of what is written out in `allOf`.
        is_written_out: Whether references here are.
    """
    if isinstance(schema, list):
        return min(sum(_rules(entry, known, is_written_out=is_written_out) for entry in schema), MAX_RULES + 1)
    if not isinstance(schema, dict):
        return 0
    below = 0
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            below += known[value.removeprefix(_PREFIX)] if is_written_out else 0
        elif key not in _DATA:
            inside = key == "allOf" or (is_written_out and key not in _CONSUMING)
            below += _rules(value, known, is_written_out=inside)
    return min(_types(schema) * (1 + below), MAX_RULES + 1)
