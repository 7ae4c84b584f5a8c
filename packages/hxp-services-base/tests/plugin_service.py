"""A service that the tests install into child processes by a path: it serves, dies, hangs and refuses on request."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from hxp_services_base import BaseService, Context, Settings
from hxp_services_base.chassis import respond
from pydantic import SecretStr

if TYPE_CHECKING:
    from hxp_services_base.chassis import ASGIApp, Receive, Scope, Send


class ProbeSettings(Settings):
    text: str = "hello"
    secret: SecretStr = SecretStr("")
    refuse: bool = False
    hang: bool = False
    hang_at_end: bool = False
    exit_at_start: bool = False


class ProbeService(BaseService[ProbeSettings]):
    lame_duck = 0.0
    drain_timeout = 0.5
    is_front_door = True

    def configure(self, settings: ProbeSettings) -> None:
        if settings.refuse:
            raise ValueError("refused, as told")
        super().configure(settings)

    async def start(self, context: Context) -> None:
        self.refs = dict(context.identity.refs)
        if self.settings.exit_at_start:
            os._exit(7)
        if self.settings.hang:
            await asyncio.Event().wait()

    async def stop(self, context: Context) -> None:
        if self.settings.hang_at_end:
            time.sleep(60)  # noqa: ASYNC251 - nothing but a signal ends it

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/die":
                os.kill(os.getpid(), signal.SIGKILL)
            if scope["path"] == "/block":
                time.sleep(float(scope["query_string"]))  # noqa: ASYNC251 - it is meant to block
            if scope["path"] == "/spin":
                end = time.monotonic() + float(scope["query_string"])
                while time.monotonic() < end:
                    pass
            if scope["path"] == "/environment":
                await respond(send, 200, [(b"content-type", b"text/plain")], "\n".join(os.environ).encode())
                return
            if scope["path"] == "/print":
                for _ in range(int(scope["query_string"])):
                    print("x" * 999, flush=True)
            text = f"{self.settings.text} {self.settings.secret.get_secret_value()} {sorted(self.refs)}"
            await respond(send, 200, [(b"content-type", b"text/plain")], text.encode())

        return app
