"""Probes of a process that has no descriptor left, answered on one that is kept for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

from ._operations import Answer

if TYPE_CHECKING:
    from ._operations import Operations

_ROUND = 1.25
"""Seconds for which asyncio leaves a listener alone after an accept that found no descriptor, and some."""
_LOOK = 0.02
_PATIENCE = 0.1
"""Seconds that one client gets, since the others wait behind it."""
_LONGEST_HEAD = 8192
_NONE_LEFT = Answer(503, b"text/plain", b"no descriptor is left; only probes are answered\n")


class LastResort:
    """Holds one descriptor that is given up to accept one connection at a time.

    Without it a service that has used up its descriptors answers no probe, and its supervisor takes it for hung.

    Args:
        operations: What to answer.

    Raises:
        OSError: If there is no descriptor to hold.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._anchor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._spare: int | None = os.dup(self._anchor)
        self._until = 0.0

    def extend(self, *, now: float) -> None:
        """Serve for another while; `now` is the time of the event loop."""
        self._until = now + _ROUND

    async def serve(self, listener: socket.socket) -> None:
        """Answer who waits on `listener`, one after the other, until asyncio looks at it again."""
        loop = asyncio.get_running_loop()
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        while loop.time() < self._until:
            if not (waiting.poll(0) and await self._answer_one(listener)):
                await asyncio.sleep(_LOOK)

    async def _answer_one(self, listener: socket.socket) -> bool:
        try:
            spare, self._spare = self._spare, None
            os.close(os.dup(self._anchor) if spare is None else spare)
            client, _ = listener.accept()
        except OSError:  # another thread was quicker, or the client is gone
            with contextlib.suppress(OSError):  # there may be one to spare the next time
                self._spare = os.dup(self._anchor)
            return False
        try:
            client.setblocking(False)  # noqa: FBT003 - the standard library's signature
            await self._talk(client)
        finally:
            await asyncio.sleep(0)  # the loop forgets the descriptor one round after a read that was cancelled
            # In one step, so that no other thread gets the descriptor in between.
            self._spare = os.dup2(self._anchor, client.detach(), inheritable=False)
        return True

    async def _talk(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        head = b""
        try:
            async with asyncio.timeout(_PATIENCE):
                while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
                    if not (more := await loop.sock_recv(client, _LONGEST_HEAD)):
                        return
                    head += more
                await loop.sock_sendall(client, _response(self._answer(head)))
                client.shutdown(socket.SHUT_WR)
        except (TimeoutError, OSError):
            return

    def _answer(self, head: bytes) -> Answer:
        method, target, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
        path, _, query = target.partition("?")
        if method != "GET" or self._operations.bare(path, query) is None:
            return _NONE_LEFT
        return self._operations.answer(path, query) or _NONE_LEFT

    def close(self) -> None:
        """Give up what is held."""
        for number in (self._anchor, self._spare):
            if number is not None:
                os.close(number)
        self._spare = None


def _response(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"content-type: {answer.content_type.decode()}\r\n"
        f"content-length: {len(answer.body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + answer.body
