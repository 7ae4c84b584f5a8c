"""Sources in, snapshot out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ._errors import ConfigError, ConfigProblem
from ._interpolation import interpolate
from ._merge import Layer, merge
from ._node import Node, Where
from ._path import split_path
from ._snapshot import Snapshot
from ._validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._migration import AppliedRewrite, Migration
    from ._secret_store import SecretStore
    from ._source import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a configuration is read.

    Attributes:
        migration: Brings older documents up to date.
        secrets: Resolves references to secrets.
        environ: For `${env:NAME}`; the process's own when absent.
    """

    migration: Migration | None = None
    secrets: SecretStore | None = None
    environ: Mapping[str, str] | None = None


def load(
    model: type[T],
    sources: Sequence[Source],
    *,
    migration: Migration | None = None,
    secrets: SecretStore | None = None,
    environ: Mapping[str, str] | None = None,
) -> Snapshot[T]:
    """Read, migrate, merge, interpolate and validate a configuration.

    Mappings merge deep, lists and scalars replace one another, later sources win. Keys that the
    model does not know are refused, unless the model itself says `extra="allow"` or `extra="ignore"`. A model with a
    method `violations()` (as `hxp_schemas.StackConfig`) is asked what its environment forbids.

    Args:
        model: A pydantic model, a dataclass, or any type pydantic can validate.
        sources: Where to read, the weakest first.
        migration: Brings older documents up to date.
        secrets: Resolves references to secrets: those of `ConfigSecret` fields when they are asked for, those of
            pydantic's `SecretStr`, which holds a text and nothing else, now.
        environ: For `${env:NAME}`; the process's own when absent.

    Returns:
        The validated configuration with the origin of each value.

    Raises:
        ConfigError: With all problems at once, in the order of the sources and their lines.
    """
    return load_with(model, sources, LoadOptions(migration, secrets, environ))


def load_with(model: type[T], sources: Sequence[Source], options: LoadOptions) -> Snapshot[T]:
    """Do the work of `load`."""
    layers = _read(sources)
    rewrites: list[AppliedRewrite] = []
    if options.migration:
        layers, rewrites = options.migration.apply(layers)
    rank: dict[tuple[str, str | None], int] = {}
    root = Node({}, Where("configuration"))
    for index, layer in enumerate(layers):
        rank.setdefault(layer.root.base[:2], index)
        root = merge(root, layer) if index or layer.signed else layer.root
    if any(layer.references for layer in layers):
        root = interpolate(root, os.environ if options.environ is None else options.environ)
    value = validate(model, root, rank, options.secrets)
    if options.secrets:
        from ._reveal import reveal  # noqa: PLC0415 - for those who have secrets to resolve

        revealed = reveal(value, root, options.secrets)
        value = value if revealed is root else validate(model, revealed, rank, options.secrets)
    _obey(value, root)
    return Snapshot(value, root, tuple(rewrites))


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


def _obey(value: Any, root: Node) -> None:
    """Refuse what the environment forbids; a secret written out is one only where it stands in a file."""
    violations = getattr(value, "violations", None)
    if not callable(violations):
        return
    problems = []
    for path, why in violations():
        node: Node | None = root
        for segment in split_path(path):
            node = (node.child(segment) or node) if node else None
        place = node.where if node else root.where
        if "secret" in why and place.line is None:
            continue  # it came from the environment, a dotenv file's line aside, or a secrets directory
        problems.append(ConfigProblem(path, why, place.origin()))
    if problems:
        raise ConfigError(problems)
