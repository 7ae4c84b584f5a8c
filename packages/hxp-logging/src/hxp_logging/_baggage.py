"""Baggage, the properties of a request that travel with it (https://www.w3.org/TR/baggage/), without an SDK."""

import re
from collections.abc import Iterator, Mapping

_MAX_MEMBERS = 64
_MAX_BYTES = 8192
_KEY = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_UNQUOTED = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_OWS = r"[ \t]*"
_MEMBER = re.compile(
    rf"{_OWS}({_KEY}){_OWS}={_OWS}({_VALUE})((?:{_OWS};{_OWS}{_KEY}(?:{_OWS}={_OWS}{_VALUE})?)*){_OWS}"
)


class Baggage(Mapping[str, str]):
    """Names and values, decoded; immutable.

    The specification's limits hold both ways: 64 members, 8192 bytes. What goes beyond them, or is malformed, is left
    out. Baggage comes from outside: bind a member to the log (`bind_context`) only where you trust its origin.

    Example:
        >>> baggage = Baggage.from_header("tenant=acme,city=K%C3%B6ln;ttl=60")
        >>> baggage["city"], baggage.having("step", "2").to_header()
        ('Köln', 'tenant=acme,city=K%C3%B6ln;ttl=60,step=2')
    """

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, str] | None = None) -> None:
        self._members = {name: (value, "") for name, value in (members or {}).items() if re.fullmatch(_KEY, name)}

    @classmethod
    def from_header(cls, header: str | None) -> "Baggage":
        """Read a `baggage` header; several of them are joined by commas."""
        from urllib.parse import unquote  # noqa: PLC0415 - few requests carry baggage

        made = cls()
        for text in (header or "")[:_MAX_BYTES].split(",")[:_MAX_MEMBERS]:
            if match := _MEMBER.fullmatch(text):
                name, value, properties = match.groups()
                made._members[name] = (unquote(value), re.sub(r"\s", "", properties))
        return made

    def having(self, name: str, value: str) -> "Baggage":
        """Return baggage with one member more, or another value for it.

        Raises:
            ValueError: The name is no token of HTTP.
        """
        if not re.fullmatch(_KEY, name):
            raise ValueError(f"baggage cannot be called {name!r}: use letters, digits and any of !#$%&'*+.^_`|~-")
        made = Baggage()
        made._members = {**self._members, name: (value, "")}
        return made

    def to_header(self) -> str:
        """Write the `baggage` header; empty if there is nothing to say."""
        from urllib.parse import quote  # noqa: PLC0415

        parts: list[str] = []
        left = _MAX_BYTES
        for name, (value, properties) in self._members.items():
            part = f"{name}={quote(value, safe=_UNQUOTED, errors='replace')}{properties}"
            left -= len(part) + 1
            if left < -1 or len(parts) == _MAX_MEMBERS:
                break
            parts.append(part)
        return ",".join(parts)

    def __getitem__(self, name: str) -> str:
        return self._members[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Baggage({dict(self)!r})"
