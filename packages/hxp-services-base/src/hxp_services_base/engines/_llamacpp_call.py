"""One request to llama.cpp: placed in a slot, sent, read to its end or cut short, and its slot given back."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from hxp_schemas import ErrorInfo

from ..chassis import ServiceError
from ._engine import EngineDownError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

    from .._admission import Permit
    from ._placement import Placement, SlotState
    from ._slots import SlotLease

_TOO_LONG = ("context size", "too large to process")
"""What llama.cpp says of a prompt, and of a text to embed, that does not fit."""
_NO_GRAMMAR = "grammar"
"""What it says, as an error of its own, of a schema or pattern that nothing can match."""
_HEADERS = {"Content-Type": "application/json"}
_VOLATILE = frozenset({"cache_prompt", "id_slot", "max_completion_tokens", "max_tokens", "seed", "stream",
                       "stream_options", "temperature", "top_p", "user"})  # fmt: skip
"""What makes no other request of it, for the record of those that the engine died of."""


class NotDeliveredError(EngineDownError):
    """The engine has not seen the request; it may be sent again."""


class Response:
    """An accepted request, read from the engine's socket."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces of any size."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise EngineDownError("it died while it answered") from error


class Calls:
    """Sends requests over one session.

    Args:
        session: Leads to the engine.
        placement: Its slots.
    """

    def __init__(self, session: aiohttp.ClientSession, placement: Placement) -> None:
        self._session = session
        self._placement = placement
        self._works: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End what is still waited for."""
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    @asynccontextmanager
    async def send(self, path: str, payload: dict[str, Any], permit: Permit | None) -> AsyncIterator[Response]:
        """Send one request; leaving the block early ends it as far as llama.cpp lets it be ended."""
        lease = None
        if not path.endswith("/embeddings") and (payload.get("n") or 1) == 1:
            lease = await self._placement.take("" if permit is None else permit.tenant, _beginning(payload))
        if lease is None or lease.slot is None:
            sending = self._roaming(path, payload, permit)
        else:
            sending = self._placed(path, payload, permit, lease=lease)
        async with sending as response:
            yield response

    @asynccontextmanager
    async def _placed(
        self, path: str, payload: dict[str, Any], permit: Permit | None, *, lease: SlotLease
    ) -> AsyncIterator[Response]:
        """Send a request to its slot."""
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._post(path, {**payload, "id_slot": lease.slot, "cache_prompt": lease.reuses})
            self._placement.began(lease)
            await _require_accepted(response)
            yield Response(response)
        finally:
            self._placement.began(lease)
            if _end(response):
                self._placement.give_back(lease)
            else:
                cut = self._placement.give_back_cut(lease, was_confirmed=response is not None)
                self._see_to(cut, permit)

    @asynccontextmanager
    async def _roaming(self, path: str, payload: dict[str, Any], permit: Permit | None) -> AsyncIterator[Response]:
        """Send a request that names no slot.

        llama.cpp goes on with an embedding whatever happens, and of other work it is not known before its first byte
        that nothing is still to come; so the slots are kept until then, also if nobody waits any more.
        """
        before = await self._placement.begin_roaming()
        posting = asyncio.create_task(self._post(path, {**payload, "cache_prompt": False}), name="engine-post")
        try:
            response = await asyncio.shield(posting)
            await _require_accepted(response)
            yield Response(response)
        finally:
            ending = self._end_roaming(posting, before, reads_on=path.endswith("/embeddings"))
            self._see_to(ending, permit)

    async def _end_roaming(
        self, posting: asyncio.Task[aiohttp.ClientResponse], before: Mapping[int, SlotState], *, reads_on: bool
    ) -> None:
        response: aiohttp.ClientResponse | None = None
        try:
            response = await posting
            if reads_on:
                async for _ in response.content.iter_any():
                    pass
        except (ServiceError, aiohttp.ClientError):
            pass  # the engine is gone, and its work with it
        finally:
            await self._placement.end_roaming(before, was_cut=not _end(response))

    async def _post(self, path: str, payload: dict[str, Any]) -> aiohttp.ClientResponse:
        try:
            return await self._session.post(path, data=orjson.dumps(payload), headers=_HEADERS)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotDeliveredError("it takes no connection") from error
        except aiohttp.ClientError as error:
            raise EngineDownError("it ended before it answered") from error

    def _see_to(self, work: Coroutine[Any, Any, None], permit: Permit | None) -> None:
        task = asyncio.create_task(work, name="engine-work")
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        if permit is not None:
            permit.keep_until(task)


def fingerprint(path: str, payload: dict[str, Any]) -> bytes:
    """Return what tells one request from another, for the record of those that the engine died of."""
    kept = {name: value for name, value in payload.items() if name not in _VOLATILE}
    return hashlib.blake2b(path.encode() + orjson.dumps(kept, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _beginning(payload: dict[str, Any]) -> bytes:
    return orjson.dumps(payload.get("messages") or payload.get("prompt"))


async def _require_accepted(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        try:
            body = await response.read()
        except aiohttp.ClientError as error:
            raise EngineDownError("it died while it answered") from error
        raise _refusal(response.status, body)


def _end(response: aiohttp.ClientResponse | None) -> bool:
    """Let the connection go; tell whether the answer was complete."""
    if response is None:
        return False
    if is_complete := response.content.at_eof():
        response.release()
    else:
        response.close()
    return is_complete


def _refusal(status: int, body: bytes) -> ServiceError:
    """llama.cpp's refusals, in our catalogue's codes."""
    info = ErrorInfo.from_response(status, body, {})
    if any(words in info.message for words in _TOO_LONG) or "exceed_context" in info.type:
        told = {"code": "context_length_exceeded", "type": "invalid_request_error", "param": "messages"}
        info = info.model_copy(update={**told, "status": 400})
    elif status == 500 and _NO_GRAMMAR in info.message:
        told = {"code": "invalid_value", "type": "invalid_request_error", "param": "response_format"}
        info = info.model_copy(update={**told, "status": 400, "retryable": False})
    return ServiceError(info)
