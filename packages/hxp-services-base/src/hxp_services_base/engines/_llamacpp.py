"""llama.cpp in a child process, supervised: started again when it dies, told apart when it is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from hxp_schemas import ErrorInfo

from .._health import Check
from ..chassis import ServiceError
from ._engine import EngineDownError, EngineStats
from ._process import EngineProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from .._context import Context

_BACKOFF = (0.2, 30.0)
_STABLE_AFTER = 60.0
_TOO_LONG = ("context size", "too large to process")
"""What llama.cpp says of a prompt, and of a text to embed, that does not fit."""
_NO_GRAMMAR = "grammar"
"""What it says, as an error of its own, of a schema or pattern that nothing can match."""


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """How llama.cpp runs one model.

    Attributes:
        model: Path of a GGUF file.
        alias: The name by which clients ask for it.
        slots: Requests that are worked on at once, by continuous batching.
        context: Tokens of prompt and answer that one slot holds.
        threads: Threads of computation; a tiny model is fastest with 1, since more of them only wait for each other.
        gpu_layers: Layers to keep on a GPU, where the build has one.
        start_timeout: Seconds to load in.
        stall_timeout: Seconds without any sign of movement, while there is work, after which it is killed.
    """

    model: str
    alias: str
    slots: int = 4
    context: int = 1024
    threads: int = 1
    gpu_layers: int = 0
    start_timeout: float = 60.0
    stall_timeout: float = 20.0


class _Response:
    """An accepted request, read from the engine's socket."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise EngineDownError(f"it died while it answered ({type(error).__name__})") from error


class LlamaCppEngine:
    """The embedded engine.

    Args:
        options: How to run it.

    Example:
        >>> engine = LlamaCppEngine(LlamaCppOptions(model="tiny.gguf", alias="tiny"))
        >>> engine.stats().is_up
        False
    """

    name = "engine"

    def __init__(self, options: LlamaCppOptions) -> None:
        self._options = options
        self._process: EngineProcess | None = None
        self._socket = Path()
        self._session: aiohttp.ClientSession | None = None
        self._up = False
        self._reason = "it has not been started"
        self._running = 0
        self._restarts = 0
        self._moved_at = 0.0

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[LlamaCppEngine]:
        """Load the model, then watch over the process until the block is left."""
        # A unix socket's path has 107 bytes at the most, so it cannot lie in a state directory of any depth.
        with tempfile.TemporaryDirectory(prefix="hxp-") as folder:
            socket = Path(folder) / "engine.sock"
            identity = context.identity
            log = identity.state_dir / "log" / f"{identity.instance or identity.name}.engine.log"
            command = [sys.executable, "-m", f"{__package__}._llamacpp_child"]
            command.append(json.dumps({**asdict(self._options), "socket": str(socket)}))
            self._socket = socket
            self._process = EngineProcess(command, log=log.absolute())
            # llama.cpp closes a connection after a stream without saying so: if kept, it would fail its next request.
            connector = aiohttp.UnixConnector(str(socket), limit=0, force_close=True)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            async with aiohttp.ClientSession("http://engine", connector=connector, timeout=timeout) as self._session:
                keeper: asyncio.Task[None] | None = None
                try:
                    await self._start(context)
                    keeper = asyncio.create_task(self._keep_alive(context), name="engine-keeper")
                    yield self
                finally:
                    self._go_down("it is stopping")
                    if keeper is not None:
                        keeper.cancel()
                        await asyncio.gather(keeper, return_exceptions=True)
                    await self._process.end()

    async def _start(self, context: Context) -> None:
        assert self._process is not None  # noqa: S101 - set by open()
        began = context.clock()
        self._socket.unlink(
            missing_ok=True
        )  # one that was killed leaves its socket behind, and llama.cpp will not bind it
        await self._process.start(seconds=self._options.start_timeout)
        self._up, self._moved_at = True, context.clock()
        context.log.info("engine ready", pid=self._process.pid, seconds=round(context.clock() - began, 3))

    async def _keep_alive(self, context: Context) -> None:
        """Start it again, with growing pauses, each time it dies."""
        assert self._process is not None  # noqa: S101 - set by open()
        pause = _BACKOFF[0]
        while True:
            began = context.clock()
            watch = asyncio.create_task(self._watch_progress(context), name="engine-progress")
            try:
                ending = await self._process.wait()
            finally:
                watch.cancel()
            self._go_down(ending)
            await context.health.refresh(force=True)  # readiness falls now, not at the next look
            context.log.error("engine died", how=ending, restart_in=pause, last_words=self._process.last_words())
            pause = _BACKOFF[0] if context.clock() - began > _STABLE_AFTER else pause
            while not self._up:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _BACKOFF[1])
                self._restarts += 1
                try:
                    await self._start(context)
                except Exception as error:  # noqa: BLE001 - told, and tried again after a longer pause
                    self._go_down(str(error))
                    context.log.error("engine did not start", error=str(error), next_in=pause)

    async def _watch_progress(self, context: Context) -> None:
        """Kill the process when its loop no longer answers although there is work: stuck is worse than dead."""
        assert self._session is not None  # noqa: S101 - set by open()
        while True:
            await asyncio.sleep(1.0)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                limit = aiohttp.ClientTimeout(total=5)
                async with self._session.get("/metrics", timeout=limit) as response:
                    await response.read()
                    self._moved_at = context.clock()
            still = context.clock() - self._moved_at
            if self._running and still > self._options.stall_timeout and self._process is not None:
                context.log.error("engine stuck", seconds=round(still, 1), running=self._running)
                self._process.kill()

    def _go_down(self, reason: str) -> None:
        self._up, self._reason = False, reason

    @asynccontextmanager
    async def request(self, path: str, body: bytes) -> AsyncIterator[_Response]:
        """Send one request; leaving the block early closes its connection, and llama.cpp aborts it."""
        if not self._up or self._session is None:
            raise EngineDownError(self._reason)
        self._running += 1
        try:
            headers = {"Content-Type": "application/json"}
            response = await self._session.post(path, data=body, headers=headers)
        except aiohttp.ClientError as error:
            raise EngineDownError(f"no connection ({type(error).__name__})") from error
        else:
            finished = False
            try:
                if response.status != 200:
                    raise _refusal(response.status, await response.read())
                yield _Response(response)
                finished = response.content.at_eof()
            finally:
                if finished:
                    response.release()
                else:
                    response.close()
        finally:
            self._running -= 1

    def checks(self) -> Sequence[Check]:
        """Whether the process answers."""
        return (Check("engine", self._health, ttl=0.1),)

    async def _health(self) -> str | None:
        return None if self._up else f"the engine is down: {self._reason}"

    def stats(self) -> EngineStats:
        """The engine at a glance."""
        return EngineStats(
            running=self._running,
            restarts=self._restarts,
            pid=self._process.pid if self._process is not None else None,
            is_up=self._up,
            reason=None if self._up else self._reason,
        )


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
