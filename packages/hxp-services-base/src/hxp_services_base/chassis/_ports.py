"""Binding a port, and saying who holds it when that fails."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path

_LISTEN = "0A"


class PortInUseError(OSError):
    """A port is taken; the message says by whom, where this machine lets us know."""

    def __init__(self, host: str, port: int, holder: str | None) -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(
            errno.EADDRINUSE, f"{host}:{port} is in use{by}; stop that, or choose another port in hxp.yaml"
        )
        self.port = port
        self.holder = holder


def bind(host: str, port: int) -> socket.socket:
    """A listening-to-be socket on `host:port`; port 0 takes a free one.

    Raises:
        PortInUseError: If something else holds the port.
        OSError: If the address is not this machine's, or the port needs privileges.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a small answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # After a crash old connections linger in TIME_WAIT; this lets a restart bind at once, never beside a live one.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port, holder_of(port)) from error
        raise
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


def holder_of(port: int, *, proc: Path = Path("/proc")) -> str | None:
    """Who listens on `port`, as `"process 123 (name)"`; `None` where that cannot be told.

    Source: Linux's `/proc/net/tcp`, matched with the descriptors of the processes that we may look at.
    """
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(proc / "net" / table, port)}
    if not inodes:
        return None
    for process in proc.iterdir():
        if process.name.isdigit() and _holds(process, inodes):
            try:
                name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:120]
            except OSError:
                name = ""
            return f"process {process.name}" + (f" ({name})" if name else "")
    return "another user's process"


def _listening(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    columns = (line.split() for line in lines)
    return [c[9] for c in columns if c[3] == _LISTEN and int(c[1].rpartition(":")[2], 16) == port]


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False
    for link in links:
        with contextlib.suppress(OSError):  # closed since it was listed, as the listing's own descriptor is
            if str(link.readlink()) in inodes:
                return True
    return False
