"""The CPU time of the gateway's process for one chat, whole and streamed, as a ratio to another checkout.

The gateway runs alone in a process, between an upstream and a ledger that answer from memory in processes of their own;
the clients run in a fourth. What counts is the time that the kernel charges to the gateway's process, in rounds that
take turns, so that a busy machine disturbs both alike.

    python services/hxp-gateway/benchmarks/chat_cost.py --against PATH_OF_ANOTHER_CHECKOUT --rounds 7
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve()
CHUNKS = 64
WHOLE, STREAMED = 400, 200
_USAGE = {"prompt_tokens": 3, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 3}
_CONTENT = b'{"index":0,"delta":{"content":" word"},"finish_reason":null}'
_HEAD = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock","choices":['


def _stream_pieces() -> list[bytes]:
    finish = b'{"index":0,"delta":{},"finish_reason":"stop"}'
    usage = _HEAD + b'],"usage":' + orjson.dumps(_USAGE) + b"}\n\n"
    return [*[_HEAD + _CONTENT + b"]}\n\n"] * CHUNKS, _HEAD + finish + b"]}\n\n", usage, b"data: [DONE]\n\n"]


def _whole_body() -> bytes:
    message = {"role": "assistant", "content": " word" * CHUNKS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps({"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": _USAGE})


async def serve_doubles(digest_file: str) -> None:
    """Answer as ledger and as upstream until killed; print the address."""
    from aiohttp import web  # noqa: PLC0415 - this process alone

    whole, pieces = _whole_body(), _stream_pieces()

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if b'"stream":true' not in body.replace(b" ", b""):
            return web.Response(body=whole, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    async def keys(request: web.Request) -> web.Response:
        record = orjson.loads(await asyncio.to_thread(Path(digest_file).read_bytes))
        current = request.query.get("since") == "1"
        return web.Response(body=orjson.dumps({"version": 1, "keys": [] if current else [record]}))

    async def usage(_request: web.Request) -> web.Response:
        return web.Response(body=b'{"accepted":1,"duplicates":0}')

    app = web.Application(client_max_size=2**26)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat),
            web.get("/v1/keys/snapshot", keys),
            web.post("/v1/usage/batches", usage),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def serve_gateway(doubles: str, folder: str) -> None:
    """Run the gateway of the checkout whose interpreter runs this; print its address and a key."""
    import hxp_logging  # noqa: PLC0415 - of that checkout
    from hxp_gateway import GatewayService, GatewaySettings  # noqa: PLC0415
    from hxp_services_base import Identity, Pepper, new_key  # noqa: PLC0415
    from hxp_services_base.chassis import ServiceHost  # noqa: PLC0415

    hxp_logging.configure(hxp_logging.LoggingOptions(level="ERROR"))
    state = Path(folder)
    made = new_key(Pepper.load_or_create(state / "pepper"))
    record = {"id": made.id, "name": "me", "digest": made.digest, "created_at": "2026-01-01T00:00:00Z"}
    (state / "key.json").write_bytes(orjson.dumps(record))
    identity = Identity("gateway", instance="gateway-0", state_dir=state, refs={"ledger": doubles}, token="t")  # noqa: S106 - of this benchmark
    upstream: dict[str, Any] = {"name": "mock", "url": doubles, "models": ["mock"]}
    settings = GatewaySettings.model_validate({"upstreams": [upstream]})
    log = hxp_logging.get_logger("gateway")
    host = ServiceHost(GatewayService(), settings, identity=identity, log=log)
    await host.start()
    print(f"{host.url} {made.plaintext}", flush=True)
    await asyncio.Event().wait()


def cpu_seconds(pid: int) -> float:
    """Return the time that the main thread of a process, which runs its event loop, has had a processor, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Candidate:
    """One checkout's gateway, running."""

    def __init__(self, python: str, folder: Path) -> None:
        self._folder = folder
        self.doubles = _started(sys.executable, "doubles", str(folder / "key.json"))
        assert self.doubles.stdout is not None
        port = self.doubles.stdout.readline().strip()
        self.gateway = _started(python, "gateway", f"http://127.0.0.1:{port}", str(folder))
        assert self.gateway.stdout is not None
        self.url, self.key = self.gateway.stdout.readline().split()

    async def cost(self, count: int, *, stream: bool) -> float:
        """Return the CPU time of one chat, in microseconds."""
        body = {"model": "mock", "stream": stream, "messages": [{"role": "user", "content": "one two three"}]}
        headers = {"Authorization": f"Bearer {self.key}"}
        async with aiohttp.ClientSession(self.url, headers=headers) as client:
            before = cpu_seconds(self.gateway.pid)

            async def ask() -> None:
                for _ in range(count // 10):
                    async with client.post("/v1/chat/completions", json=body) as response:
                        assert response.status == 200
                        await response.read()

            await asyncio.gather(*(ask() for _ in range(10)))
            return (cpu_seconds(self.gateway.pid) - before) / count * 1e6

    def end(self) -> None:
        """End both processes."""
        for process in (self.gateway, self.doubles):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _started(python: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([python, str(HERE), *arguments], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own


async def compare(names: dict[str, str], rounds: int) -> None:
    """Run both in turns and print medians and their ratio."""
    with tempfile.TemporaryDirectory(prefix="hxp-bench-") as name:
        candidates = {}
        for label, python in names.items():
            folder = Path(name) / label
            folder.mkdir(mode=0o700)
            candidates[label] = Candidate(python, folder)
        try:
            for stream, count in ((False, WHOLE), (True, STREAMED)):
                found: dict[str, list[float]] = {label: [] for label in candidates}
                for turn in range(rounds + 1):
                    for label, candidate in candidates.items():
                        cost = await candidate.cost(count, stream=stream)
                        if turn:  # the first one warms up
                            found[label].append(cost)
                medians = {label: statistics.median(costs) for label, costs in found.items()}
                least = {label: min(costs) for label, costs in found.items()}
                kind = f"stream of {CHUNKS} chunks" if stream else "whole answer"
                told = "  ".join(f"{label} {median:7.0f} us" for label, median in medians.items())
                ratio = ""
                if "there" in medians:
                    ratios = medians["here"] / medians["there"], least["here"] / least["there"]
                    ratio = "  ratio of the medians {:.3f}, of the least {:.3f}".format(*ratios)
                print(f"{kind:<22} {told}{ratio}")
        finally:
            for candidate in candidates.values():
                candidate.end()


def main() -> None:
    """Compare, or be one of the processes."""
    roles: dict[str, Callable[..., Any]] = {"doubles": serve_doubles, "gateway": serve_gateway}
    if sys.argv[1:2] and sys.argv[1] in roles:
        asyncio.run(roles[sys.argv[1]](*sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, with its environment in .venv")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    names = {"here": sys.executable}
    if arguments.against is not None:
        names["there"] = str(arguments.against / ".venv" / "bin" / "python")
    asyncio.run(compare(names, arguments.rounds))


if __name__ == "__main__":
    main()
