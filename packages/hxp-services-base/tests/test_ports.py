"""The socket a service listens on."""

from __future__ import annotations

import socket

from hxp_services_base.chassis import bind


def test_its_protocol_is_named_so_that_asyncio_sends_small_answers_at_once() -> None:
    """asyncio sets TCP_NODELAY on accepted sockets only where the listener's protocol is TCP by name."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
