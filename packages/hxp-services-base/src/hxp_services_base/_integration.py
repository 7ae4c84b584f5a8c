"""The base of services that stand between others: each upstream gets a pool and a breaker."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ._service import BaseService, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._context import Context
    from ._pool import UpstreamPool
    from ._upstream import UpstreamOptions

G = TypeVar("G", bound=Settings)


class BaseIntegrationService(BaseService[G]):
    """A service in front of upstreams; a subclass writes `upstreams()`.

    The base gives each upstream a pool of connections (limits, keep-alive, time limits, reconnect, drain), an
    hxp-resilience pipeline, and a health check that tells when its breaker is open.
    """

    kind: ClassVar[str] = "integration"

    pools: Mapping[str, UpstreamPool]
    """The open pools, by the upstream's name."""

    @abstractmethod
    def upstreams(self, context: Context) -> Sequence[UpstreamOptions]:
        """The upstreams for `self.settings`; called once, at start.

        Args:
            context: Holds the addresses of the services that this one needs.
        """

    async def start(self, context: Context) -> None:
        """Open a pool for each upstream."""
        from ._pool import UpstreamPool  # noqa: PLC0415 - loads an HTTP client: for the process that serves

        pools: dict[str, UpstreamPool] = {}
        for options in self.upstreams(context):
            if options.name in pools:
                raise ValueError(f"two upstreams are named {options.name!r}; names are unique in a service")
            pools[options.name] = await context.enter(UpstreamPool(options))
        self.pools = pools
