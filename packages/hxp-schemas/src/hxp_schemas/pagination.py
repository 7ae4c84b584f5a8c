"""Long lists in pages: AIP-158 cursors, opaque and signed, and the list form of OpenAI's API."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import pydantic
from pydantic import ConfigDict, Field, JsonValue
from pydantic_core import from_json, to_json

__all__ = ["Cursors", "ListPage", "ListRequest", "Page", "PageRequest", "PageTokenError"]

T = TypeVar("T")
_DIGEST = 16
_LONGEST = 2048
_Id = Annotated[str, Field(min_length=1, max_length=128)]


class PageRequest(pydantic.BaseModel):
    """Which page a caller wants (AIP-158), of which items (AIP-160), in which order (AIP-132).

    Attributes:
        page_size: How many items at most; 0 leaves it to the service.
        page_token: From the page before; all else must stay the same.

    Example:
        >>> PageRequest(page_size=20, filter="tokens > 10").size(default=50)
        20
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    page_size: int = Field(default=0, ge=0, le=1 << 31)
    page_token: str = Field(default="", max_length=_LONGEST)
    filter: str = Field(default="", max_length=2000)
    order_by: str = Field(default="", max_length=1000)

    def size(self, *, default: int, most: int = 1000) -> int:
        """Return the size to use; a caller that asks for more than `most` gets `most`, as AIP-158 wants it."""
        return min(self.page_size or default, most)


class Page(pydantic.BaseModel, Generic[T]):
    """One page.

    Attributes:
        next_page_token: For the next page; empty on the last one.
        total_size: How many items there are in all pages, where that is known.

    Example:
        >>> Page[int](items=[1, 2]).is_last
        True
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    items: list[T]
    next_page_token: str = Field(default="", max_length=_LONGEST)
    total_size: int | None = Field(default=None, ge=0)

    @property
    def is_last(self) -> bool:
        """Whether no page follows."""
        return not self.next_page_token


class PageTokenError(ValueError):
    """A page token that is damaged, forged, or from another list."""


class Cursors:
    """Makes and reads page tokens: opaque to callers, and worthless when changed or taken to another query.

    Args:
        key: At least 16 bytes, the same in all processes that serve the list.
        purpose: Names the list, so that a token of one is refused by another.

    Example:
        >>> cursors = Cursors(b"sixteen bytes or more", "usage")
        >>> request = PageRequest(filter="tokens > 10")
        >>> token = cursors.token({"after": "req_9"}, request)
        >>> cursors.position(request.model_copy(update={"page_token": token}))
        {'after': 'req_9'}
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        if len(key) < 16:
            raise ValueError(f"the key of page tokens has at least 16 bytes, not {len(key)}")
        self._key = key
        self._purpose = purpose

    def token(self, position: Mapping[str, JsonValue], request: PageRequest) -> str:
        """Make the token for the page that begins after `position`.

        Args:
            position: What the service needs to go on; small, and nothing that a caller must not read.
            request: Whose filter and order the token holds for.

        Raises:
            ValueError: The position is too large.
        """
        payload = to_json(dict(position))
        if len(payload) > _LONGEST // 2:
            raise ValueError(f"a position has at most {_LONGEST // 2} bytes of JSON, not {len(payload)}")
        return _encoded(self._sign(payload, request) + payload)

    def position(self, request: PageRequest) -> dict[str, Any] | None:
        """Read the request's token.

        Returns:
            The position; None on the first page.

        Raises:
            PageTokenError: The token is not one of ours for this filter and order. Begin again without one.
        """
        if not request.page_token:
            return None
        try:
            raw = urlsafe_b64decode(request.page_token.encode("ascii") + b"=" * (-len(request.page_token) % 4))
        except ValueError as error:
            raise PageTokenError("the page token is damaged; begin again without one") from error
        signature, payload = raw[:_DIGEST], raw[_DIGEST:]
        canonical = _encoded(raw) == request.page_token  # decoding passes over strange characters and spare bits
        import hmac  # noqa: PLC0415 - it loads OpenSSL

        if not canonical or not hmac.compare_digest(signature, self._sign(payload, request)):
            raise PageTokenError("the page token is not one for this list, filter and order; begin again without one")
        position: dict[str, Any] = from_json(payload)
        return position

    def _sign(self, payload: bytes, request: PageRequest) -> bytes:
        meant = to_json([self._purpose, request.filter, request.order_by])
        import hmac  # noqa: PLC0415 - it loads OpenSSL

        return hmac.new(self._key, len(meant).to_bytes(4, "big") + meant + payload, "sha256").digest()[:_DIGEST]


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class ListRequest(pydantic.BaseModel):
    """Which part of a list a caller of an OpenAI-compatible API wants.

    Attributes:
        limit: How many objects.
        after: The id of the last object of the page before.
        before: The id of the first object of the page after.
        order: By the time of creation.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    after: _Id | None = None
    before: _Id | None = None
    order: Literal["asc", "desc"] = "desc"


class ListPage(pydantic.BaseModel, Generic[T]):
    """A list as OpenAI's API answers it.

    Example:
        >>> ListPage[dict[str, str]].of([{"id": "a"}, {"id": "b"}], has_more=True).last_id
        'b'
    """

    model_config = ConfigDict(defer_build=True, extra="allow")

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False

    @classmethod
    def of(cls, data: Sequence[T], *, has_more: bool) -> Self:
        """Make a page whose first and last id are those of its objects.

        Args:
            data: Objects with an attribute or key `id`.
            has_more: Whether others follow.
        """
        ids = [one["id"] if isinstance(one, Mapping) else one.id for one in (*data[:1], *data[-1:])]  # type: ignore[attr-defined] # the caller's objects
        return cls(
            data=list(data), first_id=ids[0] if ids else None, last_id=ids[-1] if ids else None, has_more=has_more
        )
