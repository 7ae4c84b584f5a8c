"""A syslog server, after RFC 5424."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ._fork import ForkSafeLock
from ._level import CRITICAL, DEBUG, ERROR, INFO, WARNING

_SEVERITIES = {DEBUG: 7, INFO: 6, WARNING: 4, ERROR: 3, CRITICAL: 2}
_TIMEOUT = 5.0


class SyslogSink:
    """Sends each line as one message: a datagram, or over TCP with its length before it (RFC 6587).

    Args:
        address: A unix socket's path, `udp://host:port` or `tcp://host:port`.
        clock: Seconds since 1970.
    """

    def __init__(
        self, address: str, *, facility: int = 16, app_name: str = "-", clock: Callable[[], float] = time.time
    ) -> None:
        self._address = address
        self._facility = facility
        self._name = _field(app_name, 48)
        self._host = _field(socket.gethostname(), 255)
        self._clock = clock
        self._lock = ForkSafeLock()
        self._socket: socket.socket | None = None
        self._counts = address.startswith("tcp://")

    def write(self, line: bytes, level: int, /) -> None:
        """Send one line; a connection that broke is made anew with the next one."""
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1_000_000):06d}Z"
        priority = self._facility * 8 + _SEVERITIES[level]
        head = f"<{priority}>1 {stamp} {self._host} {self._name} {os.getpid()} - - "
        message = head.encode() + line.rstrip(b"\n")
        if self._counts:
            message = b"%d %b" % (len(message), message)
        with self._lock:
            try:
                self._socket = self._socket or _connect(self._address)
                self._socket.sendall(message)
            except OSError:
                self._disconnect()
                raise

    def flush(self, _timeout: float, /) -> None:
        """Nothing waits here."""

    def reopen(self) -> None:
        """A broken connection is noticed when it is used."""

    def close(self) -> None:
        """Close the connection; the next line makes it anew."""
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname or "localhost", parts.port or 601), _TIMEOUT)
    if parts.scheme == "udp":
        host, port = parts.hostname or "localhost", parts.port or 514
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        return _connected(socket.socket(family, kind, protocol), target)
    return _connected(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), address)


def _connected(made: socket.socket, target: tuple[Any, ...] | str) -> socket.socket:
    made.settimeout(_TIMEOUT)
    try:
        made.connect(target)
    except OSError:
        made.close()
        raise
    return made


def _field(text: str, size: int) -> str:
    """What RFC 5424 allows in a header: printable ASCII without spaces."""
    return "".join(character for character in text if "!" <= character <= "~")[:size] or "-"
