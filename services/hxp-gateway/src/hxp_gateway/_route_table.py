"""The upstream that answers for each model, as the settings name it or as the upstreams list it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_services_base import ModelsRoute
from hxp_services_base.chassis import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._route import Route

_RETRY_AFTER = 5.0


class RouteTable:
    """Routes by model; they change as upstreams list what they have.

    A model that the settings name is where they say. Of several upstreams that list the same one, the first in the
    settings answers, whichever was the first to list it.

    Args:
        created: Seconds of the epoch that stand as the date of each model.

    Attributes:
        models: `GET /v1/models`, which follows the routes.
    """

    def __init__(self, *, created: int) -> None:
        self.models = ModelsRoute((), created=created, missing=self.missing)
        self._upstreams: dict[str, Route] = {}
        self._named: dict[str, Route] = {}
        self._listed: dict[str, Sequence[str]] = {}
        self._routes: dict[str, Route] = {}

    def add(self, route: Route, models: Sequence[str]) -> None:
        """Add an upstream, in the order of the settings; one without models is to list them.

        Args:
            route: The upstream.
            models: The models that the settings name.
        """
        self._upstreams[route.pool.options.name] = route
        self._named.update(dict.fromkeys(models, route))
        if models:
            self._listed[route.pool.options.name] = models
        self._rebuild()

    def learn(self, upstream: str, models: Sequence[str]) -> None:
        """Take the models that an upstream lists."""
        self._listed[upstream] = models
        self._rebuild()

    def _rebuild(self) -> None:
        routes: dict[str, Route] = {}
        for name, route in self._upstreams.items():
            for model in self._listed.get(name, ()):
                routes.setdefault(model, self._named.get(model, route))
        self._routes = routes
        self.models.replace(list(routes))

    def find(self, model: str) -> Route:
        """Return the upstream that answers for a model.

        Raises:
            ServiceError: 404 where no upstream has it; 503 while one has not listed its models, and may have it.
        """
        route = self._routes.get(model)
        if route is None:
            raise self.missing(model)
        return route

    def missing(self, model: str) -> ServiceError:
        """Return the refusal of a model that no upstream is known to have."""
        silent = [name for name in self._upstreams if name not in self._listed]
        if not silent:
            message = f"there is no model {model[:128]!r}; GET /v1/models lists what there is"
            return ServiceError.of(404, "model_not_found", message, param="model")
        message = (
            f"no upstream is known to have the model {model[:128]!r}, and {', '.join(map(repr, silent))} "
            "cannot be asked now; GET /v1/models lists what there is, or try again later"
        )
        return ServiceError.of(503, "models_unknown", message, param="model", retryable=True, retry_after=_RETRY_AFTER)

    def shadowed(self, upstream: str) -> tuple[str, str] | None:
        """Return a model that an upstream lists and another one that lists it answers for, and the name of that one."""
        for model in self._listed.get(upstream, ()):
            other = self._routes[model].pool.options.name
            if other != upstream and model not in self._named:
                return model, other
        return None
