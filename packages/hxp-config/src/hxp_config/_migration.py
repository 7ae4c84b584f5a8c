"""Documents of older versions, brought up to date before they are merged; every value keeps its origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hxp_schemas import MigrationError

from ._errors import ConfigError, ConfigProblem
from ._node import Node, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxp_schemas import Migrations, Rewrite

    from ._merge import Layer
    from ._origin import Origin


@dataclass(frozen=True, slots=True)
class AppliedRewrite:
    """A change that a migration made to a document.

    Attributes:
        rewrite: What was changed.
        origin: Where the old value stands.
    """

    rewrite: Rewrite
    origin: Origin

    def __str__(self) -> str:
        return f"{self.rewrite} ({self.origin})"


@dataclass(frozen=True, slots=True)
class Migration:
    """Which chain brings documents up to date, and where they say their version.

    Attributes:
        chain: The steps: `hxp_schemas.migrations_of(Model)`.
        version_field: The key at the top of a document.
    """

    chain: Migrations
    version_field: str = "config_version"

    def apply(self, layers: Sequence[Layer]) -> tuple[list[Layer], list[AppliedRewrite]]:
        """Bring the layers that are documents to the newest version; one that states none is of the first one's.

        Raises:
            ConfigError: A version from the future, or a step that fails, with the place.
        """
        done: list[Layer] = []
        rewrites: list[AppliedRewrite] = []
        stated: Any = None
        for layer in layers:
            root = layer.root
            if layer.versioned:
                version = root.data.get(self.version_field)
                stated = version.data if stated is None and version is not None else stated
                root = self._migrated(root, stated, rewrites)
            done.append(layer._replace(root=root))
        return done, rewrites

    def _migrated(self, root: Node, stated: Any, rewrites: list[AppliedRewrite]) -> Node:
        plain = root.plain()
        own = self.version_field in plain
        if not own and stated is not None:
            plain[self.version_field] = stated
        try:
            migrated = self.chain.migrate(plain, version_field=self.version_field)
        except MigrationError as error:
            place = root.data[self.version_field].where if own else root.where
            raise ConfigError([ConfigProblem(self.version_field if own else "", str(error), place.origin())]) from error
        if not migrated.rewrites and migrated.data == plain:
            return root
        root = _copied(root)
        rewrites += [AppliedRewrite(one, _replay(root, one, migrated.data)) for one in migrated.rewrites]
        if not own:
            migrated.data.pop(self.version_field, None)
        return _matched(root, migrated.data)


def _copied(node: Node) -> Node:
    """Copy the mappings, since parsed trees are kept and shared."""
    if isinstance(node.data, dict):
        return replace(node, data={key: _copied(child) for key, child in node.data.items()})
    return node


def _replay(root: Node, rewrite: Rewrite, after: dict[str, Any]) -> Origin:
    """Do to the nodes what a step did to the values, and tell where the old value stands."""
    holder: Node | None = root
    for name in rewrite.path[:-1]:
        holder = holder.child(name) if holder else None
    node = holder.data.get(rewrite.path[-1]) if holder and isinstance(holder.data, dict) else None
    if holder and node and rewrite.kind in {"moved", "removed"}:
        del holder.data[rewrite.path[-1]]
    if rewrite.to is not None and rewrite.kind == "moved" and node:
        _put(root, rewrite.to, node)
    if rewrite.kind == "set" and rewrite.to is not None:
        value: Any = after
        for name in rewrite.to:
            value = value.get(name) if isinstance(value, dict) else None
        lost = node
        _put(root, rewrite.to, replace(_made(value, root, rewrite), lost=lost))
    return (node.key if node else root.where).origin()


def _put(root: Node, path: tuple[str, ...], node: Node) -> None:
    holder = root
    for name in path[:-1]:
        holder = holder.data.setdefault(name, Node({}, root.base, root.mark))
    holder.data[path[-1]] = node


def _made(value: Any, root: Node, rewrite: Rewrite) -> Node:
    where = Where(f"migration {rewrite.step[0]} → {rewrite.step[1]}", root.base.file)
    if isinstance(value, dict):
        return Node({key: _made(child, root, rewrite) for key, child in value.items()}, where)
    if isinstance(value, list):
        return Node([_made(child, root, rewrite) for child in value], where)
    return Node(value, where, raw=str(value))


def _matched(node: Node, value: Any) -> Node:
    """Make the tree say what the chain said; what a step changed behind its draft's back has the file as origin."""
    if isinstance(value, dict) and isinstance(node.data, dict):
        missing = Node(None, node.base)
        return replace(node, data={key: _matched(node.data.get(key, missing), child) for key, child in value.items()})
    if node.plain() == value and not isinstance(value, bool) ^ isinstance(node.data, bool):
        return node
    if isinstance(value, dict):
        return replace(
            node, data={key: _matched(Node(None, node.base), child) for key, child in value.items()}, raw=None
        )
    if isinstance(value, list):
        return replace(node, data=[_matched(Node(None, node.base), child) for child in value], raw=None)
    return replace(node, data=value, raw=str(value))
