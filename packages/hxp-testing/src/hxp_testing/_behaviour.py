"""What a scripted server can do with a request: answer it, or fail as servers fail."""

import asyncio
import json
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._exchange import Exchange

SERVER_SENT_EVENTS = {"Content-Type": "text/event-stream"}


class Behaviour(Protocol):
    """Anything that can play its part on an exchange."""

    async def play(self, exchange: Exchange) -> None:
        """Answer, or fail."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    Attributes:
        body: Bytes or text as they are; anything else is written as JSON.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = b""

    def payload(self) -> tuple[dict[str, str], bytes]:
        """Return the headers and the encoded body."""
        headers = dict(self.headers)
        if isinstance(self.body, bytes):
            body = self.body
        elif isinstance(self.body, str):
            body = self.body.encode()
        else:
            body = json.dumps(self.body).encode()
            headers.setdefault("Content-Type", "application/json")
        headers.setdefault("Content-Length", str(len(body)))
        return headers, body

    async def play(self, exchange: Exchange) -> None:
        """Answer."""
        headers, body = self.payload()
        await exchange.start(self.status, headers)
        await exchange.write(body)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in pieces.

    Attributes:
        chunks: The pieces; an `asyncio.Event` among them is waited for, so that a test can hold the stream.
        delay: Seconds before each piece.
        end: Whether the body ends properly; if not, the connection closes in its middle.
    """

    chunks: Iterable[bytes | asyncio.Event] | AsyncIterable[bytes | asyncio.Event]
    delay: float = 0.0
    end: bool = True
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: SERVER_SENT_EVENTS)

    async def play(self, exchange: Exchange) -> None:
        """Answer piece by piece."""
        await exchange.start(self.status, {**self.headers, "Transfer-Encoding": "chunked"})
        if isinstance(self.chunks, AsyncIterable):
            async for chunk in self.chunks:
                await self._send(exchange, chunk)
        else:
            for chunk in self.chunks:
                await self._send(exchange, chunk)
        if self.end:
            await exchange.write_chunk(b"")
        else:
            exchange.close()

    async def _send(self, exchange: Exchange, chunk: bytes | asyncio.Event) -> None:
        if isinstance(chunk, asyncio.Event):
            await chunk.wait()
            return
        if self.delay:
            await exchange.sleep(self.delay)
        if chunk:  # an empty chunk would end the body
            await exchange.write_chunk(chunk)


@dataclass(frozen=True, slots=True)
class Reset:
    """Sends some bytes, or none, and resets the connection (RST)."""

    after: bytes = b""

    async def play(self, exchange: Exchange) -> None:
        """Fail."""
        if self.after:
            await exchange.write(self.after)
        exchange.reset()


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Takes the request and never answers."""

    async def play(self, exchange: Exchange) -> None:
        """Wait until the client gives up."""
        await exchange.left.wait()


@dataclass(frozen=True, slots=True)
class Drip:
    """Sends a body byte by byte.

    Attributes:
        interval: Seconds before each byte.
    """

    body: bytes
    interval: float

    async def play(self, exchange: Exchange) -> None:
        """Answer slowly."""
        await exchange.start(200, {"Content-Length": str(len(self.body))})
        for index in range(len(self.body)):
            await exchange.sleep(self.interval)
            await exchange.write(self.body[index : index + 1])


@dataclass(frozen=True, slots=True)
class CutAfter:
    """Promises a whole answer and closes after so many bytes of its body."""

    size: int
    reply: Reply = Reply(body=b"x" * 65_536)

    async def play(self, exchange: Exchange) -> None:
        """Fail in the middle."""
        headers, body = self.reply.payload()
        await exchange.start(self.reply.status, headers)
        await exchange.write(body[: self.size])
        exchange.close()


@dataclass(frozen=True, slots=True)
class Garbage:
    """Sends bytes that are no HTTP, and closes."""

    data: bytes = b"\x00\xff\x16\x03\x01 this is no HTTP\r\n\r\n"

    async def play(self, exchange: Exchange) -> None:
        """Answer nonsense."""
        await exchange.write(self.data)
        exchange.close()
