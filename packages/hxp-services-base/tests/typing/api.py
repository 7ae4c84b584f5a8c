"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_type

from hxp_services_base import (
    AIModelSettings,
    BaseAIModelService,
    BaseInfrastructureService,
    BaseIntegrationService,
    BaseService,
    Check,
    Context,
    Identity,
    KeyVerifier,
    Part,
    Pepper,
    Resource,
    Settings,
    UpstreamOptions,
    UpstreamPool,
    new_key,
)
from hxp_services_base.chassis import ServiceError, ServiceHost
from hxp_services_base.commands import Argument, CommandError, CommandGroup, Option, stack_here
from hxp_services_base.engines import Engine, LlamaCppEngine, LlamaCppOptions
from hxp_services_base.orchestration import InProcess, Node, Stack, Supervisor, read_stack
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fastapi import APIRouter
    from hxp_schemas import KeyRecord, KeySnapshot


class Greeting(Settings):
    text: str = "hello"


class Shelf:
    name = "shelf"

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[Shelf]:
        context.log.info("opening", service=context.identity.name)
        yield self

    def checks(self) -> Sequence[Check]:
        return (Check("shelf", self._health, critical=False),)

    async def _health(self) -> str | None:
        return None

    async def migrate(self) -> None: ...

    async def ping(self) -> None: ...


class Greeter(BaseService[Greeting]):
    def routes(self, router: APIRouter) -> None:
        @router.get("/greeting")
        async def greeting() -> str:
            assert_type(self.settings, Greeting)
            if not self.settings.text:
                raise ServiceError.of(404, "no_greeting", "there is none", headers={"X-A": "b"}, param="text")
            return self.settings.text

    async def start(self, context: Context) -> None:
        part: Part = Shelf()
        await context.enter(part)


class Model(BaseAIModelService[AIModelSettings]):
    def engine(self) -> Engine:
        return LlamaCppEngine(LlamaCppOptions(model="a.gguf", alias=self.settings.name))


class Store(BaseInfrastructureService[Settings]):
    def resources(self) -> Sequence[Resource]:
        return (Shelf(),)


class Door(BaseIntegrationService[Settings]):
    def upstreams(self, context: Context) -> Sequence[UpstreamOptions]:
        return (UpstreamOptions("a", context.identity.refs["a"], token="t"),)

    async def ask(self) -> bytes:
        assert_type(self.pools["a"], UpstreamPool)
        async with self.pools["a"].request("POST", "/x", body=b"{}") as response:
            return await response.read()


async def use(snapshot: KeySnapshot) -> None:
    async with hosted(Greeter(), Greeting(text="hi"), identity=Identity("a", token="t")) as running:
        assert_type(running, Running[Greeter])
        assert_type(running.service.settings.text, str)
        assert_type(running.host, ServiceHost)
    pepper = Pepper.load_or_create(Path(".hxp") / "pepper")
    record: KeyRecord | None = KeyVerifier(pepper, snapshot).verify(new_key(pepper).plaintext.encode())
    assert record is not None
    node = Node("a", use="a", make=Greeter, settings=Greeting(), needs=("b",))
    supervisor = Supervisor(Stack("s", (node,)), InProcess())
    await supervisor.up()
    await supervisor.down()
    stack, _snapshot = read_stack(Path(), overrides=["a.b=1"])
    assert_type(stack, Stack)
    Greeter().configure(Settings())  # type: ignore[arg-type]  # its own settings only


def shout(
    word: Annotated[str, Argument(help="What.")], *, loud: Annotated[bool, Option("--loud", help="How.")]
) -> None:
    if not stack_here().nodes:
        raise CommandError(word if loud else "", status=2)


words = CommandGroup("Words.", {"shout": shout})
