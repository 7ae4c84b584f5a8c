"""llama.cpp in a child process, supervised: started again when it dies, told apart when it is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp
import orjson

from .._health import Check
from ._control import PlainText, control_spellings
from ._engine import EngineDownError, EngineStats
from ._engine_log import EngineLog
from ._gguf import read_vocabulary
from ._in_flight import Asked, InFlight
from ._keeper import keep
from ._llamacpp_call import Calls, NotDeliveredError
from ._placement import Placement, SlotState
from ._process import EngineProcess, EngineStartError
from ._progress import Progress
from ._prompt_bounds import longest_text, refuse_too_long
from ._suspects import CrashSuspects, Ending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from .._admission import Permit
    from .._context import Context
    from ._llamacpp_call import Response

_BACKOFF = (0.2, 30.0)
_AT_ONCE = 0.01
_LONG = 65_536
"""Bytes of a body from which on it is read in a thread: it would keep all others waiting."""
_LOOKS = 1.0
"""Seconds between two looks whether it moves."""
_STABLE_AFTER = 60.0
_NOTICED = 1.0
"""Seconds within which the end of the process is noticed, once a connection broke."""


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
        stall_timeout: Seconds without any sign of movement after which it is killed, also if it has no work. It is not
            ready after two fifths of them.
        restart_wait: Seconds for which a request waits for an engine that is being started again, or that is silent.
    """

    model: str
    alias: str
    slots: int = 4
    context: int = 1024
    threads: int = 1
    gpu_layers: int = 0
    start_timeout: float = 60.0
    stall_timeout: float = 20.0
    restart_wait: float = 5.0


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
        self._clock = time.monotonic
        self._process: EngineProcess | None = None
        self._socket = Path()
        self._session: aiohttp.ClientSession | None = None
        self._placement = Placement(options.slots, self._look)
        self._calls: Calls | None = None
        self._plain: PlainText | None = None
        self._longest = 0
        self._suspects = CrashSuspects()
        self._in_flight = InFlight(clock=self._now)
        self._progress = Progress(options.stall_timeout, pause=_LOOKS, clock=self._now)
        self._is_in_doubt = False
        self._is_restarting = False
        self._was_stuck = False
        self._came_up = asyncio.Event()
        self._up = False
        self._reason = self._public_reason = "it has not been started"
        self._restarts = 0
        self._pause = _BACKOFF[0]

    def _now(self) -> float:
        return self._clock()

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[LlamaCppEngine]:
        """Load the model, then watch over the process until the block is left."""
        self._clock = context.clock
        # A unix socket's path has 107 bytes at the most, so it cannot lie in a state directory of any depth.
        with tempfile.TemporaryDirectory(prefix="hxp-") as folder:
            socket = Path(folder) / "engine.sock"
            identity = context.identity
            log = identity.state_dir / "log" / f"{identity.instance or identity.name}.engine.log"
            command = [sys.executable, "-m", f"{__package__}._llamacpp_child"]
            command.append(json.dumps({**asdict(self._options), "socket": str(socket)}))
            self._socket = socket
            engine_log = EngineLog(log.absolute())
            self._process = EngineProcess(command, log=engine_log)
            # llama.cpp closes a connection after a stream without saying so: if kept, it would fail its next request.
            connector = aiohttp.UnixConnector(str(socket), limit=0, force_close=True)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            async with aiohttp.ClientSession("http://engine", connector=connector, timeout=timeout) as self._session:
                self._calls = Calls(self._session, self._placement)
                keeper: asyncio.Task[NoReturn] | None = None
                try:
                    await self._start(context)
                    await self._read_vocabulary()
                    keeper = asyncio.create_task(self._keep_alive(context), name="engine-keeper")
                    yield self
                finally:
                    self._is_restarting = False
                    self._go_down("it is stopping")
                    if keeper is not None:
                        keeper.cancel()
                        await asyncio.gather(keeper, return_exceptions=True)
                    await self._process.end()
                    await self._calls.close()
                    engine_log.close()

    async def _read_vocabulary(self) -> None:
        """Learn the spellings of the model's control tokens.

        Raises:
            EngineStartError: If they cannot be read: texts would not be safe.
        """
        try:
            vocabulary = await asyncio.to_thread(read_vocabulary, Path(self._options.model))
        except (OSError, ValueError) as error:
            raise EngineStartError(f"the model's tokens cannot be read: {error}") from error
        self._plain = PlainText(control_spellings(vocabulary), vocabulary.templates)
        self._longest = longest_text(vocabulary, self._options.context)

    async def _start(self, context: Context) -> None:
        assert self._process is not None  # noqa: S101 - set by open()
        began = context.clock()
        self._socket.unlink(
            missing_ok=True
        )  # one that was killed leaves its socket behind, and llama.cpp will not bind it
        await self._process.start(seconds=self._options.start_timeout)
        self._placement.table.forget()
        self._progress.answered()
        self._up, self._is_restarting = True, False
        self._came_up.set()
        seconds = round(context.clock() - began, 3)
        context.log.info("engine ready", pid=self._process.pid, seconds=seconds, restarts=self._restarts)

    async def _keep_alive(self, context: Context) -> NoReturn:
        """Start it again each time it dies, and let nothing else end this."""

        async def one_run() -> None:
            await self._outlive_run(context)

        await keep(one_run, name="restarts", log=context.log)

    async def _outlive_run(self, context: Context) -> None:
        """Wait for its end and start it again: at once if it died of work, else with growing pauses."""
        assert self._process is not None  # noqa: S101 - set by open()
        began = context.clock()
        watch = asyncio.create_task(self._watch_progress(context), name="engine-progress")
        try:
            ending = await self._process.wait()
        finally:
            watch.cancel()
        self._is_in_doubt = False
        self._is_restarting = True
        self._go_down(ending)
        had_work = self._suspect_running()
        await context.health.refresh(force=True)  # readiness falls now, not at the next look
        if context.clock() - began > _STABLE_AFTER:
            self._pause = _BACKOFF[0]
        first = _AT_ONCE if had_work else self._pause  # those who wait must not pay for whose request it was
        context.log.error("engine died", how=ending, restart_in=first, last_words=self._process.last_words())
        await self._start_again(context, first)

    async def _start_again(self, context: Context, first: float) -> None:
        """Start it after `first` seconds, then after longer and longer ones."""
        assert self._process is not None  # noqa: S101 - set by open()
        wait = first
        while not self._up:
            await asyncio.sleep(wait)
            self._restarts += 1
            try:
                await self._start(context)
            except Exception as error:  # noqa: BLE001 - logged, and tried again after a longer pause
                wait = self._pause
                problem = str(error) if isinstance(error, EngineStartError) else f"{type(error).__name__}: {error}"
                # The error of a system call, or the engine's last words with the place of its log, is not for clients.
                self._go_down(problem, public="it could not be started, and is tried again")
                await self._process.end()
                context.log.error("engine did not start", error=problem, next_in=wait)
                self._pause = min(self._pause * 2, _BACKOFF[1])
        if first != _AT_ONCE:
            self._pause = min(self._pause * 2, _BACKOFF[1])

    def _suspect_running(self) -> bool:
        """Note what it was working on when it died; whether there was anything."""
        assert self._process is not None  # noqa: S101 - set by open()
        died_of = self._in_flight.died(self._restarts, stuck_since=self._progress.moved_at if self._was_stuck else None)
        ending = Ending.CRASHED if self._process.has_crashed else Ending.KILLED
        self._suspects.died(died_of, ending=Ending.STUCK if self._was_stuck else ending)
        self._was_stuck = False
        return bool(died_of)

    async def _watch_progress(self, context: Context) -> NoReturn:
        """Kill the process when its loop no longer answers: stuck is worse than dead, also if it has no work."""

        async def one_look() -> None:
            await asyncio.sleep(_LOOKS)
            await self._see_whether_it_moves()
            if self._progress.is_stuck and not self._was_stuck:
                seconds = round(self._progress.silence, 1)
                self._was_stuck = True
                assert self._process is not None  # noqa: S101 - set by open()
                self._process.kill()
                context.log.error("engine stuck", seconds=seconds, running=len(self._in_flight))

        await keep(one_look, name="progress", log=context.log)

    async def _see_whether_it_moves(self) -> None:
        assert self._session is not None  # noqa: S101 - set by open()
        try:
            limit = aiohttp.ClientTimeout(total=self._progress.look_limit)
            async with self._session.get("/metrics", timeout=limit) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._progress.failed(error)
        else:
            self._progress.answered()
            if self._up:
                self._came_up.set()

    def _go_down(self, reason: str, *, public: str | None = None) -> None:
        """Note that it is down, why, and what clients read of that."""
        self._up, self._reason, self._public_reason = False, reason, public or reason
        self._came_up.clear()

    async def _look(self) -> Mapping[int, SlotState]:
        """The state of its slots; empty when it does not answer."""
        if not self._up or self._session is None:
            return {}
        try:
            async with self._session.get("/slots", timeout=aiohttp.ClientTimeout(total=5)) as response:
                slots = orjson.loads(await response.read())
                return {slot["id"]: SlotState(slot.get("id_task"), slot["is_processing"]) for slot in slots}
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return {}

    @asynccontextmanager
    async def request(self, path: str, body: bytes, permit: Permit | None = None) -> AsyncIterator[Response]:
        """Send one request; leaving the block early closes its connection, and llama.cpp aborts what it can.

        Raises:
            CrashSuspectError: The engine has died of this request.
        """
        await self._wait_up()
        if len(body) < _LONG:
            payload = self._as_text(path, body)
        else:
            payload = await asyncio.to_thread(self._as_text, path, body)
        asked = self._in_flight.begin("" if permit is None else permit.tenant, path, payload)
        try:
            if self._suspects:
                self._suspects.check(asked.request)
            async with AsyncExitStack() as stack:
                yield await self._sent(stack, asked, permit)
        except NotDeliveredError:
            raise
        except EngineDownError:
            self._in_flight.broke(asked)
            self._is_in_doubt = True
            raise
        except asyncio.CancelledError:
            self._in_flight.left(asked)
            raise
        else:
            if self._suspects:
                self._suspects.answered(asked.request)
        finally:
            self._in_flight.end(asked)

    def _as_text(self, path: str, body: bytes) -> dict[str, Any]:
        """The request without control tokens in its texts; a raw prompt keeps them."""
        assert self._plain is not None  # noqa: S101 - set by open()
        payload: dict[str, Any] = orjson.loads(body)
        refuse_too_long(payload, self._longest)
        return self._plain.request(payload) if path.endswith("/chat/completions") else payload

    async def _sent(self, stack: AsyncExitStack, asked: Asked, permit: Permit | None) -> Response:
        """Send a request; once more if the engine had just died and never saw it."""
        assert self._calls is not None  # noqa: S101 - set by open()
        self._in_flight.send(asked, self._restarts)
        try:
            return await stack.enter_async_context(self._calls.send(asked.path, asked.payload, permit))
        except NotDeliveredError:
            asked.run = None
            self._is_in_doubt = True
            await self._wait_up()
            self._in_flight.send(asked, self._restarts)
            return await stack.enter_async_context(self._calls.send(asked.path, asked.payload, permit))

    async def _clear_doubt(self) -> None:
        """Find out whether it is dying: a connection broke, and its end is noticed a moment later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_NOTICED):  # also of a look: an engine that hangs does not answer it
                while self._is_in_doubt and self._up and not await self._look():  # noqa: ASYNC110 - its end is no event
                    await asyncio.sleep(_AT_ONCE)
        self._is_in_doubt = False

    async def _wait_up(self) -> None:
        """Wait for an engine that is being started again, for a while.

        Raises:
            EngineDownError: If it is not up by then.
        """
        if self._is_in_doubt:
            await self._clear_doubt()
        if self._up and self._is_standing:
            self._came_up.clear()  # until it answers, or another one is up
        if not self._came_up.is_set() and (self._up or self._is_restarting):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came_up.wait(), self._options.restart_wait)
        if not self._up:
            raise EngineDownError(self._public_reason)
        if self._is_standing:
            raise EngineDownError(self._silence)

    @property
    def _is_standing(self) -> bool:
        """Whether it is silent without work: so it hangs for certain, and nothing more must be sent to it."""
        return not self._in_flight and self._progress.is_silent

    @property
    def _silence(self) -> str:
        return f"it has not answered for {self._progress.silence:.0f} s"

    def checks(self) -> Sequence[Check]:
        """Whether the process is there and answers."""
        return (Check("engine", self._health, ttl=0.1),)

    async def _health(self) -> str | None:
        if not self._up:
            return f"the engine is down: {self._reason}"
        return f"the engine hangs: {self._silence}" if self._progress.is_silent else None

    def stats(self) -> EngineStats:
        """The engine at a glance."""
        return EngineStats(
            running=len(self._in_flight),
            restarts=self._restarts,
            pid=self._process.pid if self._process is not None else None,
            is_up=self._up,
            reason=None if self._up else self._reason,
        )
