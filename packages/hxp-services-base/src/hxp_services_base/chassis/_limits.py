"""Limits of one server's connections: those of the operator, and those that are the same everywhere."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from hxp_schemas import HttpConfig

MAX_HEADERS = 100
"""Header lines of one request, its trailers included."""
MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers together."""
MAX_PIPELINED = 8
"""Requests that may wait on one connection while another one is answered."""
LINGER_BYTES = 64 * 1024
"""Bytes of a refused request that are read, so that the client reads the answer instead of a reset."""
LINGER_SECONDS = 1.0
"""Seconds for which they are read."""
WRITE_BUFFER = 64 * 1024
"""Bytes waiting for a client to read them above which its handler waits, too."""
SLOWEST_CLIENT = 4 * 1024
"""Bytes a second that a client takes at least, on average, of a response that is waiting for it."""

_MOST = 8192
_RESERVE = 192


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections to one server may use; times in seconds.

    Attributes:
        head_timeout: From the first byte of a request (from the accept of a new connection) to the end of its head.
        keep_alive: Between two requests.
        send_timeout: Without progress of a client that has something to read.
        connections: Open at once.
        per_address: Of those, from one address.
        exempt: Networks for which `per_address` does not hold, beside loopback.
    """

    head_timeout: float
    keep_alive: float
    send_timeout: float
    connections: int
    per_address: int
    exempt: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, config: HttpConfig, *, descriptors: int | None = None) -> Limits:
        """Work the limits out.

        Args:
            config: What the operator says.
            descriptors: The process's limit on file descriptors; asked for unless given.
        """
        descriptors = descriptor_limit() if descriptors is None else descriptors
        most = config.max_connections or connections_below(descriptors)
        most = max(4, min(most, descriptors - _reserve(descriptors)))
        return cls(
            head_timeout=config.head_timeout,
            keep_alive=config.keep_alive,
            send_timeout=config.send_timeout,
            connections=most,
            per_address=config.max_connections_per_address or max(1, most // 4),
            exempt=tuple(ip_network(proxy, strict=False) for proxy in config.proxies),
        )

    def for_operations(self) -> Limits:
        """Return the limits of the operations port, whose clients are few; they take from the reserve."""
        few = max(4, min(64, self.connections // 8))
        return replace(self, connections=few, per_address=few)

    @property
    def backlog(self) -> int:
        """Connections that the kernel may hold for us: they are accepted in one go, before any is counted."""
        return min(2048, max(64, self.connections // 2))

    @property
    def interval(self) -> float:
        """Seconds between two looks at the clock."""
        return min(0.5, self.head_timeout / 4, self.keep_alive / 4, self.send_timeout / 4)

    def is_exempt(self, address: str) -> bool:
        """Return whether `address` may have any number of the connections."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return True  # a socket without an address is of this machine
        mapped = getattr(found, "ipv4_mapped", None)
        found = mapped or found
        return found.is_loopback or any(found in network for network in self.exempt)


def descriptor_limit() -> int:
    """Return how many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def connections_below(descriptors: int) -> int:
    """Return how many connections leave enough descriptors for an upstream's connection each, files and the engine."""
    return max(4, min(_MOST, (descriptors - _reserve(descriptors)) // 2))


def _reserve(descriptors: int) -> int:
    return min(_RESERVE, descriptors // 2)
