"""The list of models, which may change while a service runs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hxp_services_base import ModelsRoute
from hxp_services_base.chassis import ServiceError

pytestmark = pytest.mark.anyio


async def asked(route: ModelsRoute, name: str | None = None) -> Any:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "path_params": {} if name is None else {"rest": name}}
    await route(scope, receive, send)
    return orjson.loads(b"".join(message.get("body", b"") for message in sent))


async def test_the_list_follows_what_the_service_has() -> None:
    route = ModelsRoute(["a", "b"], created=7)
    assert [model["id"] for model in (await asked(route))["data"]] == ["a", "b"]
    route.replace(["b", "c"])
    assert [model["id"] for model in (await asked(route))["data"]] == ["b", "c"]
    assert await asked(route, "c") == {"id": "c", "object": "model", "created": 7, "owned_by": "hxp"}
    with pytest.raises(ServiceError, match="there is no model 'a'") as refused:
        await asked(route, "a")
    assert (refused.value.info.status, refused.value.info.code) == (404, "model_not_found")


async def test_a_service_may_refuse_what_is_not_there_in_its_own_words() -> None:
    route = ModelsRoute([], created=0, missing=lambda name: ServiceError.of(503, "later", f"{name!r} may come"))
    with pytest.raises(ServiceError, match="'a' may come"):
        await asked(route, "a")
