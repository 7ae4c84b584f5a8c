"""The base of services that put one model behind an engine."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import Field

from ._admission import Admission
from ._models_route import ModelsRoute
from ._service import BaseService, Settings
from .chassis import TENANT_HEADER, Paths, ServiceError

if TYPE_CHECKING:
    from ._context import Context
    from ._generation import ModelMetrics
    from .chassis import ASGIApp, Scope
    from .engines import Engine


_TENANT = re.compile(rb"[A-Za-z0-9_-]{1,64}")


class AIModelSettings(Settings):
    """What every model service is told; a subclass adds its engine's own settings."""

    name: str = Field(default="hxp-tiny", min_length=1, max_length=128, description="The name clients ask for.")
    slots: int = Field(default=4, ge=1, le=256, description="Requests worked on at once.")
    queue: int = Field(default=16, ge=0, le=10_000, description="Requests that may wait for a slot.")
    queue_timeout: float = Field(default=20.0, gt=0, le=600, description="Seconds that a request may wait.")
    embedding_texts: int = Field(default=2048, ge=1, le=2048, description="Texts in one request for embeddings.")
    embedding_tokens: int = Field(
        default=65_536, ge=1, le=10_000_000, description="Tokens in one request for embeddings, all texts together."
    )
    context: int = Field(default=1024, ge=64, le=1_048_576, description="Tokens of prompt and answer per request.")


A = TypeVar("A", bound=AIModelSettings)


class BaseAIModelService(BaseService[A]):
    """One model behind an engine; a subclass writes `engine()`.

    The base gives: the OpenAI routes, full validation, a bounded admission queue that is fair between tenants (429
    with `Retry-After`), abort when the client leaves, errors inside a stream, metrics, and readiness that follows the
    engine.
    """

    kind: ClassVar[str] = "ai-model"
    start_timeout: ClassVar[float] = 120.0

    admission: Admission
    running_engine: Engine
    model_metrics: ModelMetrics

    @abstractmethod
    def engine(self) -> Engine:
        """The engine for `self.settings`; called once, at start."""

    async def start(self, context: Context) -> None:
        """Open the admission queue and load the model."""
        settings = self.settings
        self.admission = Admission(slots=settings.slots, queue=settings.queue, queue_timeout=settings.queue_timeout)
        self._knows_callers = bool(context.identity.token)
        self.running_engine = self.engine()
        await context.enter(self.running_engine)

    async def ready(self, context: Context) -> None:
        """Warm up with one real token: an engine that loads but cannot generate is not ready."""
        body = b'{"messages":[{"role":"user","content":"hello"}],"max_tokens":1}'
        async with self.running_engine.request("/v1/chat/completions", body) as response:
            async for _ in response.chunks():
                pass
        context.log.info("model ready", model=self.settings.name, slots=self.settings.slots)

    def metrics(self, context: Context) -> None:
        """Declare the model's instruments."""
        from ._generation import ModelMetrics  # noqa: PLC0415 - loads every OpenAI contract: for the process that serves

        self.model_metrics = ModelMetrics(
            context.metrics, admission=lambda: self.admission, engine=lambda: self.running_engine
        )

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        """The OpenAI routes, as plain ASGI endpoints ahead of `inner`."""
        from ._generation import Generation  # noqa: PLC0415 - see metrics()

        del inner  # a model service has no other routes
        models = ModelsRoute([self.settings.name], created=int(time.time()))
        return Paths({**Generation.paths(self), **models.paths()})

    def tenant_of(self, scope: Scope) -> str:
        """Whom a request is for, as the stack's gateway says; one tenant for all where no token shows who calls.

        Raises:
            ServiceError: 400, if the header is given twice or malformed.
        """
        told: list[bytes] = [value for name, value in scope["headers"] if name == TENANT_HEADER]
        if not told or not self._knows_callers:
            return ""
        if len(told) > 1 or not _TENANT.fullmatch(told[0]):
            name = TENANT_HEADER.decode()
            raise ServiceError.of(400, "invalid_tenant", f"{name}: send it once, 1 to 64 characters of A-Za-z0-9_-")
        return told[0].decode()

    def require_model(self, name: str) -> None:
        """Refuse a request for another model.

        Raises:
            ServiceError: 404 `model_not_found`.
        """
        if name != self.settings.name:
            raise ServiceError.of(
                404,
                "model_not_found",
                f"there is no model {name[:128]!r} here; this service has {self.settings.name!r}",
                param="model",
            )
