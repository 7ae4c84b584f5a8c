"""CPU time of one POST at the chassis: uvicorn's own connections against ours, over real sockets, in one run.

    uv run python packages/hxp-services-base/benchmarks/chassis_post.py

Each candidate serves in a process of its own, under uvloop, the same app behind the same shell: it reads a body of 1 KB
and answers with 1 KB. They take turns, round by round; a client keeps a few connections busy. What is measured is the
CPU time of the server's process for each request; only the ratio means anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

BODY = b"x" * 1024
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\n"
    b"Authorization: Bearer hxp_nobody\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + BODY
)
CONNECTIONS = 8


def serve(kind: str) -> None:
    """Serve until killed; the port is the first line of output."""
    import uvicorn  # noqa: PLC0415 - only the server's process needs what follows
    import uvloop  # noqa: PLC0415
    from hxp_logging import get_logger  # noqa: PLC0415
    from hxp_schemas import HttpConfig  # noqa: PLC0415
    from hxp_services_base.chassis import bind, read_body, respond  # noqa: PLC0415
    from hxp_services_base.chassis._connections import Connections  # noqa: PLC0415
    from hxp_services_base.chassis._limits import Limits  # noqa: PLC0415
    from hxp_services_base.chassis._uvicorn import uvicorn_server  # noqa: PLC0415

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_body(scope, receive)
        await respond(send, 200, [(b"content-type", b"application/json"), (b"x-request-id", b"req_1")], BODY)

    async def main() -> None:
        listener = bind("127.0.0.1", 0)
        print(listener.getsockname()[1], flush=True)
        if kind == "ours":
            connections = Connections(Limits.of(HttpConfig()), log=get_logger("bench"), count=lambda _: None)
            server: uvicorn.Server = uvicorn_server(app, connections)
        else:
            how: dict[str, Any] = {"http": "httptools", "ws": "none", "lifespan": "off", "log_config": None}
            server = uvicorn.Server(uvicorn.Config(app, loop="none", access_log=False, server_header=False, **how))
        await server.serve(sockets=[listener])

    uvloop.run(main())


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(port: int, requests: int) -> None:
    """Send requests over a few connections, each after the answer to the one before."""

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests // CONNECTIONS):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def main() -> None:
    """Measure, and print the ratio of each round's CPU time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=["ours", "uvicorn"], help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=8000)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    servers = {}
    for kind in ("uvicorn", "ours"):
        command = [sys.executable, __file__, "--serve", kind]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
        assert process.stdout is not None
        servers[kind] = (process, int(process.stdout.readline()))
    spent: dict[str, list[float]] = {kind: [] for kind in servers}
    for _ in range(options.rounds):
        for kind, (process, port) in servers.items():
            before = cpu(process.pid)
            asyncio.run(load(port, options.requests))
            spent[kind].append((cpu(process.pid) - before) / options.requests * 1e6)
    for process, _ in servers.values():
        process.kill()
        process.wait()
    for kind, times in spent.items():
        print(f"{kind:8} {statistics.median(times):6.1f} µs a request")
    ratios = [ours / theirs for ours, theirs in zip(spent["ours"], spent["uvicorn"], strict=True)]
    print(f"ratio    {statistics.median(ratios):6.2f}")


if __name__ == "__main__":
    main()
