"""What must not be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hxp_schemas import Secret
from pydantic import SecretBytes, SecretStr

from ._path import split_path

if TYPE_CHECKING:
    from ._node import Node

MASK = "**********"
_SECRET = re.compile(r"(?:^|[_-])(?:key|secret|token|password|passwd|pepper|credentials?)$", re.IGNORECASE)


def sounds_secret(key: str) -> bool:
    """Tell whether a key names a secret: `api_key` and `db-password` do, `max_tokens` does not."""
    return _SECRET.search(key) is not None


def is_secret(path: str, value: object, node: Node | None = None) -> bool:
    """Tell whether a value must be masked: by its type, by the names that lead to it, by where it came from."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    while node is not None:
        if node.base.secret:
            return True
        node = node.lost
    return any(sounds_secret(segment) for segment in split_path(path))
