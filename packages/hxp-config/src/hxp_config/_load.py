"""Sources in, snapshot out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._errors import ConfigError, ConfigProblem
from ._node import Layer, Node, Where, merge
from ._snapshot import Snapshot
from ._validation import validate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._source import Source

T = TypeVar("T")


def load(model: type[T], sources: Sequence[Source]) -> Snapshot[T]:
    """Read, merge and validate a configuration.

    Mappings merge deep, lists and scalars replace one another, later sources win. Keys that the
    model does not know are refused, unless the model itself says `extra="allow"` or `extra="ignore"`.

    Args:
        model: A pydantic model, or any type pydantic can validate.
        sources: Where to read, the weakest first.

    Returns:
        The validated configuration with the origin of each value.

    Raises:
        ConfigError: With all problems at once, in the order of the sources and their lines.
    """
    layers = _read(sources)
    rank: dict[tuple[str, str | None], int] = {}
    root = layers[0].root if layers else Node({}, Where("configuration"))
    for index, layer in enumerate(layers):
        rank.setdefault(layer.root.base[:2], index)
        if index:
            root = merge(root, layer.root, layer.fold)
    return Snapshot(validate(model, root, rank), root)


def _read(sources: Sequence[Source]) -> list[Layer]:
    layers: list[Layer] = []
    problems: list[ConfigProblem] = []
    for source in sources:
        try:
            layers.extend(source.read())
        except ConfigError as error:
            problems.extend(error.errors)
    if problems:
        raise ConfigError(problems)
    return layers
