"""Types for what strangers send: bounded, on one line where it must be, and never an address inside the house.

`PublicURL` is for addresses that a *client* names (an image to fetch, a callback). It is not for configured upstreams,
which may well be on loopback. A name can still resolve to an inner address, or to another one a second later: whoever
connects checks the address that it connects to with `is_public_address`.
"""

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["Identifier", "PublicURL", "SafeText", "SingleLine", "is_public_address"]

_INNER_NAMES = (
    "localhost",
    "local",
    "internal",
    "localdomain",
    "home.arpa",
    "lan",
    "intranet",
    "onion",
    "test",
    "invalid",
)
_HOST = r"(?a)(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
_NAT64 = 0x0064FF9B << 64  # 64:ff9b::/96 (RFC 6052): the last 32 bits are an IPv4 address
_UNSEEN = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
_LINE_ENDS = "[\t\n\r]"


def _visible(text: str) -> str:
    if found := re.search(_UNSEEN, text):
        raise ValueError(
            f"character U+{ord(found[0]):04X} at position {found.start()} is invisible or a control character"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text holds half of a surrogate pair")
    return text


def _on_one_line(text: str) -> str:
    if found := re.search(_LINE_ENDS, text):
        raise ValueError(f"the text must be on one line, and has {found[0]!r} at position {found.start()}")
    return _visible(text)


def is_public_address(address: "str | IPv4Address | IPv6Address") -> bool:
    """Tell whether an IP address is out on the internet: not loopback, private, link-local, shared or reserved.

    An IPv6 address that stands for an IPv4 address (mapped, NAT64) is judged by that one. Tunnels (6to4, Teredo), which
    have been obsolete for long, are never public.

    Args:
        address: An address; a text that is none is not public.

    Example:
        >>> is_public_address("169.254.169.254"), is_public_address("::ffff:127.0.0.1"), is_public_address("1.1.1.1")
        (False, False, True)
    """
    from ipaddress import IPv4Address, IPv6Address, ip_address  # noqa: PLC0415 - costs as much as ten models

    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.sixtofour or ip.teredo:
            return False
        carried = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFF_FFFF) if int(ip) >> 32 == _NAT64 else None)
        if carried:
            return is_public_address(carried)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _public(text: str) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - for those who take addresses from strangers

    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("this is no URL") from error
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValueError("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL must not carry a user or password")
    if "\\" in text or not host:
        raise ValueError("the URL must name a host")
    if ":" in host or _is_dotted_quad(host):
        if not is_public_address(host):
            raise ValueError("the URL must not point to a loopback, private, link-local or reserved address")
    elif not _is_public_name(host):
        raise ValueError("the URL must name a public host, by its full name")
    return text


def _is_dotted_quad(host: str) -> bool:
    from ipaddress import IPv4Address  # noqa: PLC0415 - see above

    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_public_name(host: str) -> bool:
    """A full name; this leaves out `2130706433`, `0x7f.1` and `0177.0.0.1`, which resolvers read as 127.0.0.1."""
    name = host.rstrip(".")
    try:
        ascii_name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        return False
    inner = any(ascii_name == end or ascii_name.endswith("." + end) for end in _INNER_NAMES)
    return re.fullmatch(_HOST, ascii_name) is not None and not inner


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,127}$", examples=["hxp-tiny"])]
"""A name that is safe in a path, a log line, a header and a metric: a letter, then up to 127 of `A-Za-z0-9._-`."""

SingleLine = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_on_one_line)]
"""A title or label: 1 to 256 visible characters on one line; no control or invisible characters, no bidi overrides."""

SafeText = Annotated[str, Field(max_length=65_536), AfterValidator(_visible)]
"""Text of up to 65,536 characters; line ends and tabs are welcome, other control and invisible characters are not."""

PublicURL = Annotated[
    str,
    Field(min_length=8, max_length=2048, pattern=r"^[^\s\x00-\x1f\x7f]+$", examples=["https://example.com/"]),
    AfterValidator(_public),
]
"""An `http(s)` URL of up to 2,048 characters without credentials, to a public host."""
