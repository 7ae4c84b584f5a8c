"""The base of every service: hooks with empty defaults, and the app that the chassis serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter

    from ._context import Context
    from ._health import Check
    from .chassis import ASGIApp


class Settings(BaseModel):
    """The base of a service's own configuration: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


class BaseService(Generic[S]):
    """What every service is.

    A subclass names its settings as the type argument and overrides the hooks that it needs. The lifecycle calls
    them in this order: `configure`, `start`, `ready`, then `drain`, `stop`.

    Example:
        >>> class Greeting(Settings):
        ...     text: str = "hello"
        >>> class Greeter(BaseService[Greeting]):
        ...     def routes(self, router):
        ...         @router.get("/greeting")
        ...         async def greeting() -> str:
        ...             return self.settings.text
        >>> Greeter.settings_type
        <class 'hxp_services_base._service.Greeting'>
    """

    kind: ClassVar[str] = "service"
    settings_type: ClassVar[type[Settings]] = Settings
    is_front_door: ClassVar[bool] = False
    """Whether it checks its callers itself; every other service lets only its own stack in."""
    start_timeout: ClassVar[float] = 60.0
    """Seconds that `start` and `ready` may take together."""
    lame_duck: ClassVar[float] = 0.2
    """Seconds of still accepting requests after readiness has fallen."""
    drain_timeout: ClassVar[float] = 10.0
    """Seconds that open requests get to end by themselves."""
    stop_timeout: ClassVar[float] = 10.0
    """Seconds that `stop` and closing the parts may take together."""

    settings: S

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(get_origin(base), type) and isinstance(argument, type) and issubclass(argument, Settings):
                    cls.settings_type = argument

    def configure(self, settings: S) -> None:
        """Take the settings. Pure: no I/O; a reload may call it and throw the result away.

        Raises:
            ValueError: If the settings cannot work, with a sentence that says why.
        """
        self.settings = settings

    async def start(self, context: Context) -> None:
        """Acquire: `await context.enter(part)`, `context.spawn(task)`."""

    async def ready(self, context: Context) -> None:
        """Warm up; returning makes the service ready, raising makes it fail."""

    async def drain(self, context: Context) -> None:
        """Finish or hand over what is under way; readiness has fallen already."""

    async def stop(self, context: Context) -> None:
        """Flush; the parts close afterwards, in reverse order."""

    def check_health(self) -> Sequence[Check]:
        """Checks beside those of the parts."""
        return ()

    def metrics(self, context: Context) -> None:
        """Declare instruments on `context.metrics`, once."""

    def routes(self, router: APIRouter) -> None:
        """Add the service's own routes; the chassis adds probes and, on another port, operations."""

    def asgi(self, inner: ASGIApp) -> ASGIApp:
        """Wrap the app in a raw ASGI hot path; the default is the app itself."""
        return inner
