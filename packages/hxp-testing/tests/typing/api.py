"""A user's file: it is type-checked and never run."""

from collections.abc import Mapping
from typing import assert_type

from hxp_testing.asgi import AsgiClient, AsgiResponse
from hxp_testing.clock import ManualClock
from hxp_testing.leaks import no_leaks
from hxp_testing.llm import MockLLM
from hxp_testing.net import free_port, free_ports
from hxp_testing.upstream import Behaviour, Reply, Request, Reset, ScriptedUpstream, Stream


def script(request: Request) -> Behaviour:
    return Reset() if request.method == "POST" else Stream([b"x"])


async def use(client: AsgiClient) -> None:
    async with no_leaks(), ScriptedUpstream(script, sleep=ManualClock().sleep) as server, MockLLM(["m"]) as llm:
        assert_type(server, ScriptedUpstream)
        assert_type(llm, MockLLM)
        assert_type(server.url, str)
        assert_type(server.requests, list[Request])
        server.queue(Reply(503), Reset())
        await server.disconnects.wait()
    assert_type(await client.request("GET", "/"), AsgiResponse)
    async with client.stream("POST", "/", {"a": "b"}, b"body") as response:
        assert_type(response.status, int)
        async for piece in response.body():
            assert_type(piece, bytes)
        response.disconnect()


def headers(response: AsgiResponse) -> Mapping[str, str]:
    return response.headers


assert_type(ManualClock()(), float)
assert_type(free_port(), int)
assert_type(free_ports(3), list[int])
