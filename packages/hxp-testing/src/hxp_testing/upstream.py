"""A real HTTP/1.1 server on the loopback interface that does what its script says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Self

from ._behaviour import Behaviour, BlackHole, CutAfter, Drip, Garbage, Reply, Reset, Stream
from ._exchange import MAX_HEAD, Exchange, Request, read_request

__all__ = [
    "Behaviour",
    "BlackHole",
    "CutAfter",
    "Disconnects",
    "Drip",
    "Exchange",
    "Garbage",
    "Reply",
    "Request",
    "Reset",
    "Script",
    "ScriptedUpstream",
    "Stream",
]

Script = Sequence[Behaviour] | Callable[[Request], Behaviour | Awaitable[Behaviour]]

_ALWAYS_OK: tuple[Behaviour, ...] = (Reply(),)


class Disconnects:
    """Clients that left before their answer was complete.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Condition()

    async def wait(self, count: int = 1) -> None:
        """Wait until that many clients have left."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.count >= count)

    async def add(self) -> None:
        """Count one more."""
        async with self._changed:
            self.count += 1
            self._changed.notify_all()


class ScriptedUpstream:
    """Answers each request with the next behaviour of a script.

    Args:
        script: Behaviours in order, of which the last repeats, or a function from a request to a behaviour.
        sleep: Waits where a behaviour is slow.

    Attributes:
        requests: Everything that was asked so far.
        disconnects: Clients that left before their answer was complete.
        connections: How many connections were made so far.

    Example:
        async with ScriptedUpstream([Reply(503), Reply(body={"ok": True})]) as server:
            await call(server.url)
    """

    def __init__(
        self, script: Script = _ALWAYS_OK, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._script = script
        self._sleep = sleep
        self._position = 0
        self._queued: list[Behaviour] = []
        self._port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.disconnects = Disconnects()
        self.connections = 0

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port."""
        return self._port

    def queue(self, *behaviours: Behaviour) -> None:
        """Play these first, once each; then the script goes on."""
        self._queued.extend(behaviours)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make_protocol, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None  # noqa: S101 - for the type checker
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def choose(self, request: Request) -> Behaviour:
        """Pick the behaviour for a request."""
        if self._queued:
            return self._queued.pop(0)
        if callable(self._script):
            chosen = self._script(request)
            return await chosen if isinstance(chosen, Awaitable) else chosen
        behaviour = self._script[min(self._position, len(self._script) - 1)]
        self._position += 1
        return behaviour

    def _make_protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader(limit=MAX_HEAD)

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.ensure_future(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return asyncio.StreamReaderProtocol(reader, connected)

    async def _serve(self, reader: "_Reader", writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()  # a client that reads no more would keep it open for ever

    async def _converse(self, reader: "_Reader", writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader, writer)) is not None:
            self.requests.append(request)
            exchange = Exchange(writer, reader.left, self._sleep)
            await self._answer(await self.choose(request), exchange)
            if not exchange.keep_alive or request.headers.get("connection", "").lower() == "close":
                break

    async def _answer(self, behaviour: Behaviour, exchange: Exchange) -> None:
        """Play a behaviour until it is done or the client has left."""
        play = asyncio.ensure_future(behaviour.play(exchange))
        left = asyncio.ensure_future(exchange.left.wait())
        try:
            await asyncio.wait({play, left}, return_when=asyncio.FIRST_COMPLETED)
            failed = play.done() and isinstance(play.exception(), OSError)
            if play.done() and not failed and not isinstance(behaviour, BlackHole):
                play.result()
            else:
                exchange.keep_alive = False
                await self.disconnects.add()
        finally:
            for task in (play, left):
                task.cancel()
            await asyncio.gather(play, left, return_exceptions=True)


class _Reader(asyncio.StreamReader):
    """A reader that tells at once when the client has left."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.left = asyncio.Event()

    def feed_eof(self) -> None:
        self.left.set()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.left.set()
        super().set_exception(exc)
