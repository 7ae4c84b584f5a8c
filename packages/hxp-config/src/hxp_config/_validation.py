"""From the merged tree to the model, and from pydantic's errors back to lines and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from ._errors import ConfigError, ConfigProblem
from ._node import Node, Where
from ._path import join_path
from ._secrecy import without_url_secrets
from ._shape import models_at, speaks_of_unknown_keys, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

    from ._secret_store import SecretStore

T = TypeVar("T")

_UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})


def validate(
    model: type[T], root: Node, rank: Mapping[tuple[str, str | None], int], secrets: SecretStore | None = None
) -> T:
    """Turn the tree into the model.

    Args:
        model: What to validate against: a pydantic model or any type pydantic understands.
        root: The merged tree.
        rank: The order of the sources, for the order of the problems.
        secrets: What the model's secrets are resolved by; when it is asked for one.

    Raises:
        ConfigError: With every problem, in file order.
    """
    adapter = TypeAdapter(model)
    context = {"secrets": secrets} if secrets else None
    value, details = _attempt(adapter, root, context)
    if _restore_texts(root, details):
        value, details = _attempt(adapter, root, context)
    unknown = [detail for detail in details if detail["type"] in _UNKNOWN]
    if unknown and any(_allows_unknown(model, detail) for detail in unknown):
        value, details = _attempt(adapter, root, context, extra=None)
        told = {detail["loc"] for detail in details}
        details += [d for d in unknown if d["loc"] not in told and not _allows_unknown(model, d)]
    if not details:
        return cast("T", value)
    problems = [_problem(model, root, detail) for detail in details]
    problems.sort(key=lambda problem: _place(problem, rank))
    raise ConfigError(list(dict.fromkeys(problems)))


def _attempt(
    adapter: TypeAdapter[T], root: Node, context: Any, extra: Any = "forbid"
) -> tuple[Any, list[ErrorDetails]]:
    try:
        return adapter.validate_python(root.plain(), extra=extra, context=context), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _restore_texts(root: Node, details: Sequence[ErrorDetails]) -> bool:
    """Give fields that want a text the text: `HXP__TOKEN=0123` is not 83."""
    restored = False
    for detail in details:
        if detail["type"] == "string_type":
            _, node = _find(root, detail["loc"])
            if node.textual and not isinstance(node.data, str):
                node.data = node.raw
                restored = True
    return restored


def _allows_unknown(model: Any, detail: ErrorDetails) -> bool:
    """Tell whether a model says itself what becomes of unknown keys; where none does, they are refused."""
    return any(map(speaks_of_unknown_keys, models_at(model, detail["loc"][:-1])))


def _find(root: Node, location: Sequence[object]) -> tuple[tuple[object, ...], Node]:
    """Return the node that a pydantic location leads to, and its path.

    A location also holds labels of union branches and the marker `[key]`. They are no keys, and one that
    looks like a key is told apart by what follows: the reading that uses most segments is right.
    """
    # All readings of the segments so far, by the node they end at; the longest path to each.
    readings: dict[int, tuple[tuple[object, ...], Node]] = {id(root): ((), root)}
    for segment in location:
        for path, node in list(readings.values()):
            child = node.child(segment)
            if child is not None:
                readings[id(child)] = ((*path, segment), child)
    return max(readings.values(), key=lambda reading: len(reading[0]))


def _problem(model: Any, root: Node, detail: ErrorDetails) -> ConfigProblem:
    location = detail["loc"]
    path, node = _find(root, location)
    kind = detail["type"]
    if kind in _UNKNOWN:
        place = node.key
        suggestion = suggest(models_at(model, location[:-1]), str(location[-1]))
        return ConfigProblem(join_path(path), "unknown key", place.origin(), suggestion)
    if kind == "missing":
        return ConfigProblem(join_path((*path, location[-1])), "a required key is missing", node.anchor().origin())
    place = node.key if location[-1:] == ("[key]",) else node.anchor()
    return ConfigProblem(join_path(path), _message(detail), place.origin())


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":  # pydantic's own message shows the value
        context = detail["ctx"]
        return f"{context['discriminator']} should be one of {context['expected_tags']}"
    message = without_url_secrets(detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "))
    return message[:1].lower() + message[1:]


def _place(problem: ConfigProblem, rank: Mapping[tuple[str, str | None], int]) -> tuple[float, float, float]:
    origin = problem.origin or Where("").origin()
    return rank.get((origin.source, origin.file), -1), origin.line or 0, origin.column or 0
