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
_SECRET = re.compile(
    r"(?:^|[_-])(?:auth|bearer|cookie|credentials?|jwt|key|passphrase|passwd|pepper|pwd|secret|token)$"
    r"|(?:api|access|private|secret)keys?$|(?:access|auth|refresh)token$|authorization$|clientsecret$|passwords?$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# The user and the password of a URL, with an @ that somebody forgot to encode (RFC 3986, section 3.2.1).
_USERINFO = re.compile(r"://[^/\s\"'<>?#]*@")
_PARAMETER = re.compile(
    r"([?&;][\w.%-]{0,64}?(?:auth|credential|key|passphrase|passw(?:or)?d|pwd|secret|sig|signature|token)=)[^&\s\"'<>#;]+",
    re.IGNORECASE,
)


def sounds_secret(key: str) -> bool:
    """Tell whether a key names a secret: `api_key`, `db-password` and `hfToken` do, `max_tokens` does not."""
    return _SECRET.search(_CAMEL.sub("_", key)) is not None


def without_url_secrets(text: str) -> str:
    """Mask user and password of every URL in a text, and parameters whose names tell of a secret."""
    if "://" in text:
        text = _USERINFO.sub(f"://{MASK}@", text)
    return _PARAMETER.sub(rf"\1{MASK}", text) if "=" in text else text


def is_secret(path: str, value: object, node: Node | None = None) -> bool:
    """Tell whether a value must be masked: by its type, by the names that lead to it, by where it came from."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    while node is not None:
        if node.base.secret:
            return True
        node = node.lost
    return any(sounds_secret(segment) for segment in split_path(path))
