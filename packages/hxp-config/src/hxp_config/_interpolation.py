"""References inside values: `${a.b}`, `${env:NAME}`, `${env:NAME:-default}`; `$${` is a plain `${`.

A text that is one reference and nothing else takes the value as it is, a section too; within a longer text, the value
must be a scalar and is put in as it was written. Values from the environment, from dotenv files and from secrets are
never looked into: what a password holds is nobody's syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ._errors import ConfigError, ConfigProblem
from ._path import join_path, split_path
from ._yaml import MAX_EXPANSION, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._node import Node

MAX_TEXT = 1 << 20
"""Characters that all references together may bring in."""
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def interpolate(root: Node, environ: Mapping[str, str]) -> Node:
    """Put values in the place of references; the tree that is given stays as it is.

    Raises:
        ConfigError: A reference to nothing, in a circle, or of too much; with its place.
    """
    work = _Interpolation(root, environ)
    resolved = work.resolved(root, ())
    if work.problems:
        raise ConfigError(list(dict.fromkeys(work.problems)))
    return resolved


class _RefusedError(Exception):
    """This reference cannot be followed; the message says why."""


@dataclass
class _Interpolation:
    root: Node
    environ: Mapping[str, str]
    problems: list[ConfigProblem] = field(default_factory=list)
    done: dict[int, Node] = field(default_factory=dict)
    under_way: list[tuple[object, ...]] = field(default_factory=list)
    characters: int = 0
    nodes: int = 0

    def resolved(self, node: Node, path: tuple[object, ...]) -> Node:
        known = self.done.get(id(node))
        if known is None:
            known = self.done[id(node)] = self._resolve(node, path)
        return known

    def _resolve(self, node: Node, path: tuple[object, ...]) -> Node:
        if isinstance(node.data, dict):
            inner = {key: self.resolved(child, (*path, key)) for key, child in node.data.items()}
            changed = any(inner[key] is not child for key, child in node.data.items())
            return replace(node, data=inner) if changed else node
        if isinstance(node.data, list):
            items = [self.resolved(child, (*path, index)) for index, child in enumerate(node.data)]
            return replace(node, data=items) if any(map(_differs, items, node.data)) else node
        if not isinstance(node.data, str) or "${" not in node.data or node.textual:
            return node
        if path in self.under_way:
            chain = " → ".join(map(join_path, [*self.under_way[self.under_way.index(path) :], path]))
            raise _RefusedError(f"refers to itself: {chain}")
        self.under_way.append(path)
        try:
            return self._text(node)
        except _RefusedError as refused:
            if len(self.under_way) > 1:
                raise
            self.problems.append(ConfigProblem(join_path(path), str(refused), node.where.origin()))
            return node
        finally:
            self.under_way.pop()

    def _text(self, node: Node) -> Node:
        whole = _REFERENCE.fullmatch(node.data)
        if whole and whole[1] is not None:
            return self._whole(node, whole[1])
        text = _REFERENCE.sub(self._part, node.data)
        if stray := re.search(r"(?<!\$)\$\{", _REFERENCE.sub("", node.data)):
            raise _RefusedError(f"'${{' at character {stray.start() + 1} begins no reference; write $${{ for the text")
        return replace(node, data=text)

    def _whole(self, node: Node, reference: str) -> Node:
        if (found := _ENVIRONMENT.fullmatch(reference)) is not None:
            text = self._variable(found)
            self._count(text)
            try:
                value = scalar(text) if text else ""
            except ValueError as error:
                raise _RefusedError(f"the environment variable {found[1]} {error}") from None
            return replace(node, data=value, raw=text, textual=True)
        target = self._target(reference)
        self.nodes += sum(1 for _ in target.leaves())
        if self.nodes > MAX_EXPANSION:
            raise _RefusedError(f"references expand to more than {MAX_EXPANSION} values")
        return replace(node, data=target.data, textual=target.textual)

    def _part(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return "${"
        if (found := _ENVIRONMENT.fullmatch(match[1])) is not None:
            text = self._variable(found)
        else:
            target = self._target(match[1])
            if isinstance(target.data, dict | list):
                raise _RefusedError(f"${{{match[1]}}} is a section and cannot stand inside a text")
            text = target.data if isinstance(target.data, str) else _written(target)
        self._count(text)
        return text

    def _variable(self, found: re.Match[str]) -> str:
        text = self.environ.get(found[1]) or found[2]
        if text is None:
            raise _RefusedError(
                f"the environment variable {found[1]} is not set; give it, or a default: ${{env:{found[1]}:-…}}"
            )
        return text

    def _target(self, reference: str) -> Node:
        try:
            path = split_path(reference.strip())
        except ValueError:
            raise _RefusedError(f"${{{reference[:64]}}} is no reference; write ${{a.b}} or ${{env:NAME}}") from None
        node: Node | None = self.root
        for segment in path:
            node = node.child(segment) if node else None
        if node is None:
            raise _RefusedError(f"${{{reference}}} leads to nothing")
        return self.resolved(node, path)

    def _count(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > MAX_TEXT:
            raise _RefusedError(f"references bring in more than {MAX_TEXT} characters")


def _differs(one: object, other: object) -> bool:
    return one is not other


def _written(node: Node) -> str:
    if node.raw is not None:
        return node.raw
    value: Any = node.data
    return (
        {True: "true", False: "false", None: "null"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )
