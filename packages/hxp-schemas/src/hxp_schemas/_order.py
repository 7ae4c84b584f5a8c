"""In which order a list is wanted (AIP-132's `order_by`)."""

import re
from collections.abc import Collection
from typing import NamedTuple

from ._filter_parser import FilterError

_LONGEST = 1000
_MOST = 16
_PART = r"(?a)\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+){0,15})(?:\s+(asc|desc))?\s*"


class OrderBy(NamedTuple):
    """One field to order by."""

    path: tuple[str, ...]
    descending: bool = False


def parse_order_by(text: str, *, fields: Collection[str] | None = None) -> tuple[OrderBy, ...]:
    """Read `name, created_at desc`.

    Args:
        text: At most 1,000 characters and 16 fields; blank means no order.
        fields: The fields that may be ordered by; any without it.

    Raises:
        FilterError: What is wrong, and where.

    Example:
        >>> [(".".join(order.path), order.descending) for order in parse_order_by("tokens desc, model")]
        [('tokens', True), ('model', False)]
    """
    if len(text) > _LONGEST:
        raise FilterError(f"an order has at most {_LONGEST} characters", _LONGEST)
    if not text.strip():
        return ()
    orders: list[OrderBy] = []
    position = 0
    for part in text.split(","):
        match = re.fullmatch(_PART, part)
        if match is None:
            raise FilterError(f"{part.strip()[:64]!r} is no order; write 'name' or 'name desc'", position)
        if fields is not None and match[1] not in fields:
            from difflib import get_close_matches  # noqa: PLC0415 - for those who misspell

            near = get_close_matches(match[1][:64], fields, n=1)
            hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(fields))}"
            raise FilterError(f"there is no field {match[1][:64]!r}{hint}", position)
        order = OrderBy(tuple(match[1].split(".")), descending=match[2] == "desc")
        if any(order.path == other.path for other in orders):
            raise FilterError(f"{match[1]!r} is named twice", position)
        orders.append(order)
        if len(orders) > _MOST:
            raise FilterError(f"an order has at most {_MOST} fields", position)
        position += len(part) + 1
    return tuple(orders)
