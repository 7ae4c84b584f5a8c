"""The base of services that keep something: stores, queues, caches."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from ._part import Part
from ._service import BaseService, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._context import Context

I = TypeVar("I", bound=Settings)  # noqa: E741 - one letter, as type variables are written here


class Resource(Part, Protocol):
    """A part that keeps data: it is opened, brought to the newest form, and pinged."""

    async def migrate(self) -> None:
        """Bring what is stored to the newest form; runs under the resource's own lock, so that replicas may race."""

    async def ping(self) -> None:
        """Prove that it answers; raises when it does not."""


class BaseInfrastructureService(BaseService[I]):
    """A service around resources; a subclass writes `resources()`.

    The base gives: resources opened in order, migrated and proved to answer before the service is ready, closed in
    reverse.
    """

    kind: ClassVar[str] = "infrastructure"

    @abstractmethod
    def resources(self) -> Sequence[Resource]:
        """The resources for `self.settings`, in the order in which they open; called once, at start."""

    async def start(self, context: Context) -> None:
        """Open each resource, then migrate it."""
        self.open_resources = tuple(self.resources())
        for resource in self.open_resources:
            await context.enter(resource)
            await resource.migrate()

    async def ready(self, context: Context) -> None:
        """Ping each resource."""
        for resource in self.open_resources:
            await resource.ping()
        context.log.info("resources ready", resources=[resource.name for resource in self.open_resources])
