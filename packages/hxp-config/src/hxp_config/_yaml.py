"""YAML text into nodes: PyYAML's composer for the marks, its safe constructors for the values, our limits."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.reader import Reader, ReaderError
from yaml.resolver import Resolver

from ._errors import ConfigError, ConfigProblem
from ._node import Mark, Node, Opaque, Position, Where
from ._path import join_path

if TYPE_CHECKING:
    from yaml import SafeLoader as _Parser
else:
    _Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 100
"""Sections inside sections; a configuration needs about ten."""
MAX_EXPANSION = 10_000
"""Nodes that aliases may add to those written out."""

_PREFIX = "tag:yaml.org,2002:"
_STR = _PREFIX + "str"
_INT = _PREFIX + "int"
_BOOL = _PREFIX + "bool"
_BOOLS = MappingProxyType({"true": True, "false": False})
_MERGE = _PREFIX + "merge"
_SYNTAX_TAGS = frozenset({_MERGE, _PREFIX + "value", _PREFIX + "yaml"})
_IMPLICIT = MappingProxyType(dict(Resolver.yaml_implicit_resolvers))
_SCALARS = MappingProxyType(
    {
        _PREFIX + name: SafeConstructor.yaml_constructors[_PREFIX + name]
        for name in ("null", "bool", "int", "float", "binary", "timestamp", "str")
    }
)
_ODD_COLLECTIONS = frozenset({_PREFIX + "set", _PREFIX + "omap", _PREFIX + "pairs"})
_BAD_VALUE = (ValueError, KeyError, AttributeError, OverflowError, TypeError, ConstructorError)


class _TooDeepError(Exception):
    def __init__(self, mark: Mark) -> None:
        super().__init__(mark)
        self.mark = mark


class _Loader(_Parser):
    """PyYAML's parser with a depth limit, without which libyaml overflows its stack, and a lean resolver."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._tags: dict[str, str] = {}

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:  # noqa: ARG002 (PyYAML's signature)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeepError(current_node.start_mark)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            if not implicit[0]:
                return _STR
            tag = self._tags.get(value)  # keys come again and again
            if tag is None:
                tag = self._tags[value] = implicit_tag(value)
            return tag
        return _PREFIX + ("seq" if kind is SequenceNode else "map")


def implicit_tag(text: str) -> str:
    """Return the YAML 1.1 tag that an unquoted scalar has, as PyYAML's SafeLoader sees it."""
    for tag, pattern in _IMPLICIT.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return _STR


def scalar(text: str) -> Any:
    """Read a text that stands alone (an environment variable) as an unquoted YAML scalar.

    Raises:
        ValueError: It looks like a number or a date and is none.
    """
    tag = implicit_tag(text)
    if tag == _STR or tag in _SYNTAX_TAGS:
        return text
    try:
        return _SCALARS[tag](SafeConstructor(), ScalarNode(tag, text))
    except _BAD_VALUE as error:
        raise ValueError(f"is not a valid {tag.removeprefix(_PREFIX)}") from error


def read_yaml(text: str, *, source: str, file: str | None = None) -> Node | None:
    """Turn a YAML text into nodes; an empty text gives None.

    Raises:
        ConfigError: The text is not YAML, or uses what a configuration must not.
    """
    builder = _Builder(source, file)
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        too_deep = _too_deep(text, before=error.problem_mark)
        if too_deep is None:
            raise ConfigError([ConfigProblem("", _syntax(error, text), builder.at(error.problem_mark))]) from None
        raise ConfigError([_depth_problem(builder, too_deep)]) from None
    except (ReaderError, UnicodeEncodeError):
        raise ConfigError([ConfigProblem("", *_character(text, builder))]) from None
    except _TooDeepError as error:
        raise ConfigError([_depth_problem(builder, error.mark)]) from None
    node = builder.build(root, ()) if root else None
    if builder.problems:
        raise ConfigError(builder.problems)
    return node


def _compose(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _depth_problem(builder: _Builder, mark: Mark) -> ConfigProblem:
    return ConfigProblem("", f"nested deeper than {MAX_DEPTH} levels", builder.at(mark))


def _too_deep(text: str, *, before: Mark | None) -> Mark | None:
    """Return the place where a text with a syntax error passed our depth limit, or None if it never did.

    The C parser reads ahead: from PyYAML 6.0.4 on it meets a limit of its own before our loader sees the level that
    is one too many. The Python parser has none; it reads up to the error only.
    """
    lines = text.split("\n")
    if before is not None:
        lines = [*lines[: before.line], *(line[: before.column] for line in lines[before.line : before.line + 1])]
    open_collections: list[Any] = []
    try:
        for event in yaml.parse("\n".join(lines), Loader=yaml.SafeLoader):
            if isinstance(event, CollectionEndEvent):
                open_collections.pop()
            elif isinstance(event, ScalarEvent | CollectionStartEvent):
                if len(open_collections) >= MAX_DEPTH:
                    return cast("Mark", open_collections[-1].start_mark)
                if isinstance(event, CollectionStartEvent):
                    open_collections.append(event)
    except yaml.YAMLError:
        return None
    return None


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    lines = text.split("\n")
    if mark and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return "a tab cannot indent YAML, use spaces"
    context = f" {error.context}" if error.context else ""
    return f"not valid YAML: {error.problem}{context}"


def _character(text: str, builder: _Builder) -> tuple[str, Any]:
    found = Reader.NON_PRINTABLE.search(text)
    position = found.start() if found else 0
    line = text.count("\n", 0, position)
    column = position - (text.rfind("\n", 0, position) + 1)
    return f"the character U+{ord(text[position]):04X} is not allowed", builder.at(Position(line, column))


class _StopError(Exception):
    """Nothing more can be read from this text."""


class _Builder:
    """Turns PyYAML nodes into ours and collects what is wrong with them."""

    def __init__(self, source: str, file: str | None) -> None:
        self._base = Where(source, file)
        self.problems: list[ConfigProblem] = []
        self._constructor = SafeConstructor()
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._expanded = 0

    def at(self, mark: Mark | None) -> Any:
        return self._base.at(mark).origin()

    def build(self, root: Any, path: tuple[object, ...]) -> Node | None:
        try:
            return self._node(root, path)
        except _StopError:
            return None

    def _refuse(self, path: tuple[object, ...], message: str, node: Any) -> None:
        self.problems.append(ConfigProblem(join_path(path), message, self.at(node.start_mark)))

    def _node(self, node: Any, path: tuple[object, ...], key: Mark | None = None) -> Node:
        if id(node) in self._seen:
            self._count_alias(node, path)
        self._seen.add(id(node))
        if isinstance(node, ScalarNode):
            value = node.value if node.tag == _STR else self._scalar(node, path)
            return Node(value, self._base, node.start_mark, node.value, key)
        self._enter(node, path)
        data: Any
        if node.tag == _PREFIX + "map" and isinstance(node, MappingNode):
            data = self._mapping(node, path)
        elif node.tag == _PREFIX + "seq" and isinstance(node, SequenceNode):
            data = [self._node(child, (*path, index)) for index, child in enumerate(node.value)]
        else:
            data = self._odd(node, path)
        self._open.discard(id(node))
        return Node(data, self._base, node.start_mark, None, key)

    def _count_alias(self, node: Any, path: tuple[object, ...]) -> None:
        self._expanded += 1
        if self._expanded > MAX_EXPANSION:
            self._refuse(path, f"aliases expand to more than {MAX_EXPANSION} nodes", node)
            raise _StopError

    def _enter(self, node: Any, path: tuple[object, ...]) -> None:
        if id(node) in self._open:
            self._refuse(path, "an alias must not contain itself", node)
            raise _StopError
        if len(self._open) >= MAX_DEPTH:
            self._refuse(path, f"nested deeper than {MAX_DEPTH} levels", node)
            raise _StopError
        self._open.add(id(node))

    def _scalar(self, node: Any, path: tuple[object, ...]) -> Any:
        tag, text = node.tag, node.value
        if tag == _STR:
            return text
        if tag == _INT and text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0") and len(text) < 19:
            return int(text)
        if tag == _BOOL and text in _BOOLS:
            return _BOOLS[text]
        construct = _SCALARS.get(tag)
        if construct is None:
            self._refuse_tag(node, path)
            return None
        try:
            return construct(self._constructor, node)
        except _BAD_VALUE:
            self._refuse(path, f"is not a valid {tag.removeprefix(_PREFIX)}", node)
            return None

    def _refuse_tag(self, node: Any, path: tuple[object, ...]) -> None:
        if node.tag in _SYNTAX_TAGS:
            self._refuse(path, f"{node.value!r} has a meaning in YAML, quote it", node)
        else:
            self._refuse(path, f"the tag {node.tag.replace(_PREFIX, '!!')!r} is not allowed", node)

    def _mapping(self, node: Any, path: tuple[object, ...]) -> dict[Any, Node]:
        own: dict[Any, Node] = {}
        merged: dict[Any, Node] = {}
        merges = 0
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merges += 1
                if merges > 1:
                    self._refuse((*path, "<<"), "duplicate key", key_node)
                merged = self._merged(value_node, path)
                continue
            key = key_node.value if key_node.tag == _STR else self._key(key_node, path)
            if key in own:
                message = f"duplicate key, first at line {own[key].key.line}"
                self._refuse((*path, key), message, key_node)
            own[key] = self._node(value_node, (*path, key), key_node.start_mark)
        return merged | own if merged else own

    def _key(self, node: Any, path: tuple[object, ...]) -> Any:
        if not isinstance(node, ScalarNode):
            self._refuse(path, "a key must be a scalar", node)
            return None
        return node.value if node.tag == _PREFIX + "value" else self._scalar(node, path)

    def _merged(self, node: Any, path: tuple[object, ...]) -> dict[Any, Node]:
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[Any, Node] = {}
        for part in reversed(parts):
            if isinstance(part, MappingNode):
                merged |= self._node(part, path).data
            else:
                self._refuse((*path, "<<"), "only mappings can be merged", part)
        return merged

    def _odd(self, node: Any, path: tuple[object, ...]) -> Any:
        """Read `!!set`, `!!omap` and `!!pairs`, whose values stay opaque; refuse any other tag."""
        if node.tag not in _ODD_COLLECTIONS:
            self._refuse_tag(node, path)
            return None
        before = len(self.problems)
        self._check(node, path)
        if len(self.problems) > before:
            return None
        try:
            return Opaque(SafeConstructor().construct_document(node))
        except _BAD_VALUE:
            self._refuse(path, f"is not a valid {node.tag.removeprefix(_PREFIX)}", node)
            return None

    def _check(self, node: Any, path: tuple[object, ...]) -> None:
        if isinstance(node, MappingNode):
            self._mapping(node, path)
        else:
            for index, child in enumerate(node.value):
                self._node(child, (*path, index))
