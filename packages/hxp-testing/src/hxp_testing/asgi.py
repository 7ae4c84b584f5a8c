"""An in-process ASGI client that streams, and that can leave in the middle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

__all__ = ["AsgiClient", "AsgiResponse", "AsgiStream"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AsgiStream:
    """An answer as it comes.

    Attributes:
        status: The HTTP status.
        headers: With names in lower case; of a repeated header, the values joined by a comma.
    """

    def __init__(self, body: bytes) -> None:
        self._pending: list[bytes] = [body]
        self._messages: asyncio.Queue[_Message | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._finished = False
        self.status = 0
        self.headers: dict[str, str] = {}

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body as the application sends them."""
        while not self._finished:
            message = await self._messages.get()
            if message is None:
                raise ConnectionError("the application ended before its answer was complete")
            self._finished = not message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece

    async def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join([piece async for piece in self.body()])

    def disconnect(self) -> None:
        """Leave, as a client does that closes its connection."""
        self._gone.set()

    async def receive(self) -> _Message:
        """Give the application the body, and later the news that the client has left."""
        if self._pending and not self._gone.is_set():
            return {"type": "http.request", "body": self._pending.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: _Message) -> None:
        """Take what the application sends; after the client has left, it goes nowhere, as with uvicorn."""
        if not self._gone.is_set():
            self._messages.put_nowait(message)
            await asyncio.sleep(0)

    def end(self) -> None:
        """Say that the application has returned."""
        self._messages.put_nowait(None)

    async def start(self, task: "asyncio.Future[None]") -> None:
        """Wait for the status and headers.

        Raises:
            ConnectionError: The application returned without an answer.
            Exception: Whatever the application raised.
        """
        message = await self._messages.get()
        if message is None:
            task.result()
            raise ConnectionError("the application returned without an answer")
        self.status = message["status"]
        for name, value in message.get("headers", ()):
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


class AsgiClient:
    """Calls an ASGI application without a socket.

    Args:
        app: The application.
        lifespan: Whether entering the client starts the application, and leaving it stops it.

    Example:
        async with AsgiClient(app) as client:
            response = await client.request("GET", "/livez")
    """

    def __init__(self, app: App, *, lifespan: bool = False) -> None:
        self._app = app
        self._lifespan = lifespan
        self._stack = AsyncExitStack()
        self._state: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        if self._lifespan:
            await self._stack.enter_async_context(_run_lifespan(self._app, self._state))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsgiResponse:
        """Ask, and wait for the whole answer."""
        async with self.stream(method, path, headers, body) as stream:
            return AsgiResponse(stream.status, stream.headers, await stream.read())

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[AsgiStream]:
        """Ask, and read the answer piece by piece; leaving the block before its end is a disconnect.

        Raises:
            ConnectionError: The application returned without an answer.
            Exception: Whatever the application raised.
        """
        stream = AsgiStream(body)
        scope = self._scope(method, path, headers or {}, body)
        task = asyncio.ensure_future(self._app(scope, stream.receive, stream.send))
        task.add_done_callback(lambda _: stream.end())
        try:
            await stream.start(task)
            yield stream
        except BaseException:
            task.cancel()
            raise
        finally:
            stream.disconnect()
            await asyncio.wait({task})
        task.result()

    def _scope(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        path, _, query = path.partition("?")
        given = {name.lower(): value for name, value in headers.items()}
        given = {"host": "testserver", **given}
        if body:
            given.setdefault("content-length", str(len(body)))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("testserver", 80),
            "state": dict(self._state),
            "extensions": {},
        }


@asynccontextmanager
async def _run_lifespan(app: App, state: dict[str, Any]) -> AsyncIterator[None]:
    to_app: asyncio.Queue[_Message] = asyncio.Queue()
    from_app: asyncio.Queue[_Message | None] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(app(scope, to_app.get, from_app.put))
    task.add_done_callback(lambda _: from_app.put_nowait(None))

    async def step(name: str) -> None:
        to_app.put_nowait({"type": f"lifespan.{name}"})
        message = await from_app.get()
        if message is None:
            task.result()
            raise RuntimeError(f"the application left its lifespan during {name}")
        if message["type"] != f"lifespan.{name}.complete":
            await asyncio.wait({task})
            raise RuntimeError(f"lifespan {name} failed: {message.get('message', '')}")

    await step("startup")
    try:
        yield
    finally:
        await step("shutdown")
        await task
