"""The gateway: keys, routes and the journal around the hot path."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from hxp_services_base import BaseIntegrationService, Pepper, UpstreamOptions

from ._discovery import Discovery
from ._door import Door, DoorParts
from ._journal import Journal
from ._keys import KeyCache, KeyCacheOptions
from ._ledger import LedgerError
from ._metrics import GatewayMetrics
from ._route import Route
from ._route_table import RouteTable
from ._settings import GatewaySettings, UpstreamSettings
from ._shipper import Shipper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxp_services_base import Check, Context
    from hxp_services_base.chassis import ASGIApp, Receive, Scope, Send

_FIRST_READING = 3.0
"""Seconds that a start waits for the keys."""
_LAST_SHIPMENT = 5.0
"""Seconds that the last shipment may take at stop; the journal keeps what it does not reach."""


class GatewayService(BaseIntegrationService[GatewaySettings]):
    """The OpenAI-compatible front door."""

    is_front_door = True

    _door: Door | None = None

    def upstreams(self, context: Context) -> Sequence[UpstreamOptions]:
        """The ledger and the configured upstreams."""
        identity = context.identity
        ledger = self.settings.ledger
        options = [UpstreamOptions(ledger, _reference(context, ledger), token=identity.token, first_byte_timeout=5.0)]
        return [*options, *(self._options(upstream, context) for upstream in self.settings.upstreams)]

    @staticmethod
    def _options(upstream: UpstreamSettings, context: Context) -> UpstreamOptions:
        if upstream.service is not None:
            url, token = _reference(context, upstream.service), context.identity.token
        else:
            url = (upstream.url or "").rstrip("/").removesuffix("/v1")
            token = upstream.api_key.get_secret_value() if upstream.api_key is not None else ""
        return UpstreamOptions(
            upstream.name,
            url,
            token=token,
            max_connections=upstream.max_connections,
            connect_timeout=upstream.connect_timeout,
            first_byte_timeout=upstream.first_byte_timeout,
            idle_timeout=upstream.idle_timeout,
            total_timeout=upstream.total_timeout,
        )

    def metrics(self, context: Context) -> None:
        """Declare the gateway's instruments."""
        self._metrics = GatewayMetrics(context.metrics)

    async def start(self, context: Context) -> None:
        """Open the pools, take over the journal, read the keys, and build the hot path."""
        await super().start(context)
        identity, settings = context.identity, self.settings
        ledger = self.pools[settings.ledger]
        pepper = Pepper.load_or_create(identity.state_dir / "pepper")
        self._journal = Journal(identity.state_dir / "journal" / identity.instance)
        self._metrics.watch(self._journal)
        if self._journal.recovered:
            context.log.warning("requests of an earlier process were settled as unknown", count=self._journal.recovered)
        if self._journal.unreadable:
            context.log.warning("lines of the journal could not be read", count=self._journal.unreadable)
        options = KeyCacheOptions(
            accept_development=identity.profile == "development" and not identity.is_public,
            instance=identity.instance or identity.name,
            max_age=settings.keys_max_age,
            fail_open=settings.keys_fail_open,
        )
        self._keys = KeyCache(ledger, pepper, options, log=context.log, clock=context.clock)
        self._shipper = Shipper(self._journal, ledger, log=context.log, on_set_aside=self._metrics.set_aside)
        context.health.add([*self._keys.checks(), *self._shipper.checks()])
        parts = DoorParts(
            keys=self._keys,
            journal=self._journal,
            pepper=pepper,
            routes=await self._routes(context),
            metrics=self._metrics,
            log=context.log,
            max_body=settings.max_body,
        )
        self._door = Door(self._inner, parts)

    async def _routes(self, context: Context) -> RouteTable:
        """Return the upstream that answers for each model; those that do not list theirs in time are asked further."""
        table = RouteTable(created=int(time.time()))
        discoveries: list[Discovery] = []
        for upstream in self.settings.upstreams:
            pool = self.pools[upstream.name]
            route = Route(pool, in_stack=upstream.service is not None, stream_usage=upstream.stream_usage)
            table.add(route, upstream.models)
            if not upstream.models:
                discoveries.append(Discovery(pool, table, log=context.log))
        for discovery in discoveries:
            context.health.add(discovery.checks())
            context.spawn(discovery.run(), name="discovery")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.discovery_timeout):
                for discovery in discoveries:
                    await discovery.asked()
        return table

    async def ready(self, context: Context) -> None:
        """Read the keys; a ledger that is away only means that nobody is let in until they are read.

        Raises:
            ValueError: On a public bind without a key of its own (C6).
        """
        try:
            async with asyncio.timeout(_FIRST_READING):
                await self._keys.refresh()
        except (LedgerError, TimeoutError) as error:
            reason = str(error) or f"no answer within {_FIRST_READING:g} s"
            context.log.warning("the keys cannot be read yet, so every request is refused", error=reason)
            context.spawn(self._check_first_keys(context), name="first-keys")
        else:
            self._require_key(context)
        context.spawn(self._keys.follow(self.settings.key_refresh), name="keys")
        context.spawn(self._shipper.follow(self.settings.ship_interval), name="shipper")

    async def _check_first_keys(self, context: Context) -> None:
        await self._keys.read()
        self._require_key(context)

    def _require_key(self, context: Context) -> None:
        """Refuse to keep a public door that nobody has a key for.

        Raises:
            ValueError: If there is none.
        """
        if context.identity.is_public and not self._keys.usable:
            raise ValueError(
                f"{context.identity.host} is reachable from outside and there is no API key for it (the development "
                "key does not count); make one with `hxp keys create NAME`, or bind 127.0.0.1"
            )

    async def stop(self, context: Context) -> None:
        """Ship what is settled, as far as the ledger is there."""
        with contextlib.suppress(LedgerError, TimeoutError, OSError):
            await asyncio.wait_for(self._shipper.ship(), _LAST_SHIPMENT)
        if self._journal.backlog:
            context.log.warning("records stay in the journal for the next start", count=self._journal.backlog)
        self._journal.close()

    def check_health(self) -> Sequence[Check]:
        """None beside those of the pools, the keys and the journal."""
        return ()

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        """The hot path, ahead of `inner`; the chassis admits requests only once `start` has built it."""
        self._inner = inner
        return self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._door is not None  # noqa: S101 - see asgi()
        await self._door(scope, receive, send)


def _reference(context: Context, service: str) -> str:
    """The address of a service of the stack.

    Raises:
        ValueError: If the gateway does not wait for it, with what to write.
    """
    try:
        return context.identity.refs[service]
    except KeyError:
        known = ", ".join(sorted(context.identity.refs)) or "nothing"
        name = context.identity.name
        raise ValueError(
            f"{name!r} wants the service {service!r} and needs {known}; add it: services.{name}.needs: [{service}, …]"
        ) from None
