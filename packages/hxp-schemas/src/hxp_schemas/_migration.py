"""Documents of older versions, brought up to date step by step.

A step is a pure function from one version to the next; a chain applies those that are missing, in order, to a copy.
A document from the future is refused: what a newer program wrote, an older one must not guess at.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar

import pydantic

_CHAIN = "__hxp_migrations__"
Step = Callable[["Draft"], None]
_S = TypeVar("_S", bound=Step)
Path = tuple[str, ...]


class MigrationError(ValueError):
    """A document that cannot be brought to the wanted version, or a chain with a gap; the message says which."""


class Rewrite(NamedTuple):
    """One change that a step made; whoever knows lines and columns can tell where.

    Attributes:
        kind: `moved`, `removed` or `set`.
        path: The field, as it was before.
        to: Where it is now; None if it was removed.
        step: The versions between which it changed.
    """

    kind: str
    path: Path
    to: Path | None
    step: tuple[int, int]

    def __str__(self) -> str:
        versions = f"version {self.step[0]} → {self.step[1]}"
        if self.kind == "moved" and self.to:
            return f"{versions}: {'.'.join(self.path)} is now {'.'.join(self.to)}"
        return f"{versions}: {'.'.join(self.path)} {'was removed' if self.kind == 'removed' else 'was set'}"


class Migrated(NamedTuple):
    """A document at the wanted version.

    Attributes:
        data: The document; the one that was given is unchanged.
        version: Its version now.
        rewrites: What was changed, in order.
    """

    data: dict[str, Any]
    version: int
    rewrites: tuple[Rewrite, ...]


class Draft:
    """A document under migration: what a step may do with it, and notes of what it did.

    Example:
        >>> draft = Draft({"port": 1, "old": True}, (1, 2))
        >>> draft.move("port", "server.port"); draft.remove("old"); draft.data
        {'server': {'port': 1}}
        >>> [str(rewrite) for rewrite in draft.rewrites]
        ['version 1 → 2: port is now server.port', 'version 1 → 2: old was removed']
    """

    def __init__(self, data: dict[str, Any], step: tuple[int, int], rewrites: list[Rewrite] | None = None) -> None:
        self.data = data
        self.step = step
        self.rewrites: list[Rewrite] = [] if rewrites is None else rewrites

    def __contains__(self, path: str) -> bool:
        holder, name = self._holder(path)
        return holder is not None and name in holder

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a dotted path."""
        holder, name = self._holder(path)
        return default if holder is None else holder.get(name, default)

    def set(self, path: str, value: Any) -> None:
        """Write a value, making the mappings that lead to it.

        Raises:
            MigrationError: Something on the way is no mapping.
        """
        if path in self and self.get(path) == value:
            return
        self._write(path, value)
        self._note("set", path, path)

    def move(self, path: str, to: str) -> None:
        """Give a value another place; nothing happens if it is not there.

        Raises:
            MigrationError: The other place is taken.
        """
        if path not in self:
            return
        if to in self:
            raise MigrationError(f"{path!r} cannot become {to!r}, which is there, too; remove one of them")
        self._write(to, self._take(path))
        self._note("moved", path, to)

    def remove(self, path: str) -> None:
        """Take a value out; nothing happens if it is not there."""
        if path in self:
            self._take(path)
            self._note("removed", path, None)

    def _holder(self, path: str) -> tuple[dict[str, Any] | None, str]:
        *above, name = path.split(".")
        holder: Any = self.data
        for part in above:
            holder = holder.get(part) if isinstance(holder, dict) else None
        return (holder if isinstance(holder, dict) else None), name

    def _take(self, path: str) -> Any:
        holder, name = self._holder(path)
        return holder.pop(name) if holder is not None else None

    def _write(self, path: str, value: Any) -> None:
        *above, name = path.split(".")
        holder = self.data
        for part in above:
            holder = holder.setdefault(part, {})
            if not isinstance(holder, dict):
                raise MigrationError(f"{path!r} cannot be written, because {part!r} holds no mapping")
        holder[name] = value

    def _note(self, kind: str, path: str, to: str | None) -> None:
        self.rewrites.append(Rewrite(kind, tuple(path.split(".")), tuple(to.split(".")) if to else None, self.step))


class Migrations:
    """The chain of one model.

    Attributes:
        steps: By the version that they start from.
        inverses: The way back, where there is one, by the version that they start from.
    """

    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self.inverses: dict[int, Step] = {}

    @property
    def current(self) -> int:
        """The newest version."""
        return max(self.steps, default=0) + 1

    def migrate(self, data: Mapping[str, Any], *, version_field: str, to: int | None = None) -> Migrated:
        """Bring a document to a version.

        Args:
            data: The document; a copy is changed.
            version_field: The key that holds its version; without it the document is of version 1.
            to: The wanted version, the newest unless given; an older one needs the inverse of each step.

        Raises:
            MigrationError: No version, one from the future, or a step that is missing or fails.
        """
        wanted = self.current if to is None else to
        version = data.get(version_field, 1)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise MigrationError(f"{version_field} must be a whole number from 1 on, not {version!r}")
        if version > self.current:
            raise MigrationError(
                f"{version_field} is {version}, this program knows versions up to {self.current}; use a newer program"
            )
        document, rewrites = deepcopy(dict(data)), list[Rewrite]()
        while version != wanted:
            following = version + 1 if version < wanted else version - 1
            step = (self.steps if following > version else self.inverses).get(version)
            if step is None:
                raise MigrationError(f"there is no step from {version_field} {version} to {following}")
            draft = Draft(document, (version, following), rewrites)
            step(draft)
            document[version_field] = version = following
        return Migrated(document, version, tuple(rewrites))


def migrates(model: type[pydantic.BaseModel], from_version: int, to_version: int) -> Callable[[_S], _S]:
    """Declare a step in a model's chain; a step to the version before is the inverse of the step from there.

    Args:
        model: Whose documents.
        from_version: From 1 on.
        to_version: One more, or for an inverse one less.

    Returns:
        A decorator for a function that changes the `Draft` it is given and nothing else.

    Raises:
        MigrationError: A step of more than one version, or a second one from the same version.

    Example:
        >>> class Plan(pydantic.BaseModel):
        ...     plan_version: int = 2
        ...     title: str
        >>> @migrates(Plan, 1, 2)
        ... def name_is_title(draft):
        ...     draft.move("name", "title")
        >>> migrations_of(Plan).migrate({"name": "a"}, version_field="plan_version").data
        {'title': 'a', 'plan_version': 2}
    """
    if abs(to_version - from_version) != 1 or min(from_version, to_version) < 1:
        raise MigrationError(f"a step goes from one version to its neighbour, not from {from_version} to {to_version}")
    chain = vars(model).get(_CHAIN)
    if chain is None:
        chain = Migrations()
        setattr(model, _CHAIN, chain)
    steps: dict[int, Step] = chain.steps if to_version > from_version else chain.inverses

    def declare(step: _S) -> _S:
        if from_version in steps:
            raise MigrationError(f"{model.__name__} has a step from version {from_version} to {to_version} already")
        steps[from_version] = step
        return step

    return declare


def migrations_of(model: type[pydantic.BaseModel]) -> Migrations:
    """Return a model's chain; empty where no step was declared."""
    chain = vars(model).get(_CHAIN)
    return chain if isinstance(chain, Migrations) else Migrations()
