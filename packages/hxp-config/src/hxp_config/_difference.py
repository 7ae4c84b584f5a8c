"""What is different between two configurations, value by value, with the origin of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._path import join_path
from ._secrecy import MASK, without_url_secrets
from ._snapshot import NOTHING, paths_of, value_at

if TYPE_CHECKING:
    from ._origin import Origin
    from ._snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs.

    Attributes:
        path: Dotted.
        old: The value before; None if there was none.
        new: The value now; None if there is none.
        old_origin: Where the old one stands; None if there was none.
        new_origin: Where the new one stands; None if there is none.
        secret: Whether the values must be masked; `str` does so.
    """

    path: str
    old: Any
    new: Any
    old_origin: Origin | None
    new_origin: Origin | None
    secret: bool = False

    def __repr__(self) -> str:
        return f"Difference({self})"

    def __str__(self) -> str:
        return f"{self.path}: {self._side(self.old, self.old_origin)} → {self._side(self.new, self.new_origin)}"

    def to_json(self) -> dict[str, Any]:
        """Return it for a program; secrets are masked."""
        return {
            "path": self.path,
            "old": None if self.old_origin is None else self._shown(self.old),
            "new": None if self.new_origin is None else self._shown(self.new),
            "old_origin": self.old_origin and str(self.old_origin),
            "new_origin": self.new_origin and str(self.new_origin),
        }

    def _shown(self, value: Any) -> str:
        return MASK if self.secret else without_url_secrets(repr(value))

    def _side(self, value: Any, origin: Origin | None) -> str:
        return "nothing" if origin is None else f"{self._shown(value)} ({origin})"


def difference(old: Snapshot[Any], new: Snapshot[Any]) -> list[Difference]:
    """Compare two configurations of one model.

    Returns:
        What differs, in the order of the model's fields; lists are compared item by item.
    """
    paths = dict.fromkeys([*paths_of(new.value), *paths_of(old.value)])
    found: list[Difference] = []
    for segments in paths:
        was, now = value_at(old.value, segments), value_at(new.value, segments)
        if was == now and type(was) is type(now):
            continue
        if _has_leaves(was) or _has_leaves(now):
            continue  # an empty section that was filled, or the reverse: its leaves are told
        path = join_path(segments)
        found.append(
            Difference(
                path,
                None if was is NOTHING else was,
                None if now is NOTHING else now,
                None if was is NOTHING else old.origin(path),
                None if now is NOTHING else new.origin(path),
                secret=(was is not NOTHING and old.is_secret(path)) or (now is not NOTHING and new.is_secret(path)),
            )
        )
    return found


def _has_leaves(value: object) -> bool:
    return value is not NOTHING and paths_of(value) != [()]
