"""Which fields are meant (AIP-161), for partial answers and partial updates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LONGEST = 4096
_MOST = 256
_DEEPEST = 16


class FieldMaskError(ValueError):
    """A field mask that cannot be read; `position` is the index of the character at fault."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at position {position} of the field mask)")
        self.position = position


@dataclass(frozen=True, slots=True)
class FieldMask:
    """A set of paths into a JSON object; `*` stands for all that is there.

    Attributes:
        paths: Sorted, without those that another one covers.

    Example:
        >>> mask = FieldMask.parse("name,limits.rate")
        >>> mask.apply({"name": "a", "limits": {"rate": 1, "burst": 2}, "secret": 3})
        {'name': 'a', 'limits': {'rate': 1}}
        >>> mask.merge({"name": "a", "limits": {"rate": 1, "burst": 2}}, {"limits": {"rate": 5}})
        {'limits': {'rate': 5, 'burst': 2}}
    """

    paths: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> "FieldMask":
        """Read `a,b.c` or `*`.

        Args:
            text: At most 4,096 characters, 256 paths, 16 deep; names of letters, digits and underscores.

        Raises:
            FieldMaskError: Naming the position.
        """
        if len(text) > _LONGEST:
            raise FieldMaskError(f"a field mask has at most {_LONGEST} characters", _LONGEST)
        if text.strip() == "*":
            return cls((("*",),))
        found: list[tuple[str, ...]] = []
        position = 0
        for part in text.split(","):
            names = part.strip().split(".")
            if not all(name.isascii() and name.isidentifier() for name in names):
                raise FieldMaskError(f"{part.strip()[:64]!r} is no path; write 'a,b.c' or '*'", position)
            if len(names) > _DEEPEST:
                raise FieldMaskError(f"a path is at most {_DEEPEST} names deep", position)
            found.append(tuple(names))
            if len(found) > _MOST:
                raise FieldMaskError(f"a field mask has at most {_MOST} paths", position)
            position += len(part) + 1
        return cls(tuple(_without_covered(found)))

    def covers(self, path: Sequence[str]) -> bool:
        """Tell whether a path is meant, by itself or by one above it."""
        return self.paths == (("*",),) or any(tuple(path[: len(one)]) == one for one in self.paths)

    def apply(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Keep only what is meant, in the item's order."""
        return _kept(item, self, ())

    def merge(self, item: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
        """Take what is meant from `change` and all else from `item`; what `change` leaves out is removed (AIP-134)."""
        return _merged(item, change, self, ())

    def __str__(self) -> str:
        return ",".join(".".join(path) for path in self.paths)


def _without_covered(paths: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    last: tuple[str, ...] | None = None
    for path in sorted(set(paths)):
        if last is None or path[: len(last)] != last:
            last = path
            yield path


def _leads_to_more(mask: FieldMask, path: tuple[str, ...]) -> bool:
    return any(one[: len(path)] == path for one in mask.paths)


def _kept(item: Mapping[str, Any], mask: FieldMask, above: tuple[str, ...]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in item.items():
        path = (*above, name)
        if mask.covers(path):
            kept[name] = value
        elif isinstance(value, Mapping) and _leads_to_more(mask, path):
            kept[name] = _kept(value, mask, path)
    return kept


def _merged(
    item: Mapping[str, Any], change: Mapping[str, Any], mask: FieldMask, above: tuple[str, ...]
) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name in [*item, *(name for name in change if name not in item)]:
        path = (*above, name)
        if mask.covers(path):
            if name in change:
                merged[name] = change[name]
        elif _leads_to_more(mask, path):
            inner, other = item.get(name), change.get(name)
            below = _merged(_mapping(inner), _mapping(other), mask, path)
            if below or isinstance(inner, Mapping):
                merged[name] = below
            elif name in item:
                merged[name] = inner
        elif name in item:
            merged[name] = item[name]
    return merged


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
