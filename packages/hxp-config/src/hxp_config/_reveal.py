"""References in fields of pydantic's `SecretStr`, which can hold nothing but the secret itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hxp_schemas import SecretReference
from pydantic import SecretStr

from ._errors import ConfigError, ConfigProblem
from ._path import join_path
from ._snapshot import paths_of, value_at

if TYPE_CHECKING:
    from ._node import Node
    from ._secret_store import SecretStore


def reveal(value: Any, root: Node, secrets: SecretStore) -> Node:
    """Put secrets in the place of their references.

    Args:
        value: The validated configuration, which knows which of its texts are secrets.
        root: What it was made from; stays as it is.
        secrets: Resolves them.

    Returns:
        A tree to validate again; the same one if there are no references.

    Raises:
        ConfigError: Every secret that cannot be had, with the place of its reference.
    """
    problems: list[ConfigProblem] = []
    for path in paths_of(value):
        held = value_at(value, path)
        if not isinstance(held, SecretStr) or not SecretReference.is_reference(held.get_secret_value()):
            continue
        try:
            root = _with_secret(root, path, secrets.resolve(SecretReference.parse(held.get_secret_value())))
        except (ConfigError, ValueError) as error:
            node = _at(root, path)
            reason = error.errors[0].message if isinstance(error, ConfigError) else str(error)
            problems.append(ConfigProblem(join_path(path), reason, node.where.origin() if node else None))
    if problems:
        raise ConfigError(problems)
    return root


def _at(root: Node, path: tuple[str, ...]) -> Node | None:
    node: Node | None = root
    for name in path:
        node = node.child(name) if node else None
    return node


def _with_secret(node: Node, path: tuple[str, ...], secret: str) -> Node:
    if not path:
        return replace(node, data=secret, raw=secret, textual=True)
    child = node.child(path[0])
    if child is None:  # a default of the model's, which no source wrote
        return node
    changed = _with_secret(child, path[1:], secret)
    if isinstance(node.data, list):
        return replace(node, data=[changed if one is child else one for one in node.data])
    return replace(node, data={key: changed if one is child else one for key, one in node.data.items()})
