"""What the tests of this package share: real hosts on free ports, and an engine that does as it is told."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hxp_logging
import pytest
from hxp_schemas import HttpConfig
from hxp_services_base import BaseService, Context, Identity, Settings
from hxp_services_base.chassis import exchange_of, read_body, respond
from hxp_services_base.testing import hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from hxp_services_base.chassis import ASGIApp, Receive, Scope, Send
    from hxp_services_base.testing import Running


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity("probe", instance="probe-0", port=0, state_dir=tmp_path / ".hxp")


@pytest.fixture
def context(identity: Identity) -> Context:
    return Context(identity, log=hxp_logging.get_logger("test"))


class Plain(BaseService[Settings]):
    """A service without anything of its own."""


@pytest.fixture
def plain() -> Plain:
    return Plain()


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs `plugin_service.py` as the service `probe`, for this process and its children."""
    folder = tmp_path / "plugin"
    metadata = folder / "plugin_service-1.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("plugin_service.py"), folder)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-service\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[hxp.services]\nprobe = plugin_service:ProbeService\nbroken = plugin_service:ProbeSettings\n"
        "wrecked = plugin_service_gone:Nothing\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.gguf"
    subprocess.run([sys.executable, str(Path(__file__).with_name("random_gguf.py")), str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def tools_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tools.gguf"
    command = [sys.executable, str(Path(__file__).with_name("random_gguf.py")), str(path), "tools"]
    subprocess.run(command, check=True)
    return path


class Witness(BaseService[Settings]):
    """Tells what it was sent, and sends without end where it is asked to."""

    lame_duck = 0.0
    is_front_door = True

    def __init__(self) -> None:
        self.seen: list[Scope] = []
        self.sent = 0
        self.left = asyncio.Event()

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        return self.answer

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        path = scope["path"]
        if path.startswith("/refuse"):
            await respond(send, 401, [], b"no")
        elif path == "/flood":
            await read_body(scope, receive)
            await self._flood(scope, receive, send)
        elif path == "/big":
            await respond(send, 200, [], bytes(int(scope["query_string"])))
        elif path == "/wait":
            await read_body(scope, receive)
            async with exchange_of(scope).cancelled_when_client_leaves(receive):
                await asyncio.Event().wait()
        else:
            body = await read_body(scope, receive, limit=1 << 20)
            names = ",".join(sorted(str(name, "latin-1") for name, _ in scope["headers"]))
            text = f"{scope['method']} {path} {str(scope['query_string'], 'latin-1')} [{names}] {len(body)}"
            await respond(send, 200, [(b"content-type", b"text/plain")], text.encode())

    async def _flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        block = bytes(32 * 1024)
        try:
            async with exchange_of(scope).cancelled_when_client_leaves(receive):
                await send({"type": "http.response.start", "status": 200, "headers": []})
                while True:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                    self.sent += len(block)
                    await asyncio.sleep(0)
        finally:
            self.left.set()


@asynccontextmanager
async def _witness(identity: Identity, **limits: Any) -> AsyncIterator[Running[Witness]]:
    """A witness whose connections have `limits`."""
    async with hosted(Witness(), identity=replace(identity, http=HttpConfig(**limits))) as running:
        yield running


@pytest.fixture
def witness(identity: Identity) -> Callable[..., AbstractAsyncContextManager[Running[Witness]]]:
    """Runs a service that tells what it was sent; the arguments are limits of its connections."""
    return partial(_witness, identity)
