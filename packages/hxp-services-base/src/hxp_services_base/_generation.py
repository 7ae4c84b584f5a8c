"""The OpenAI routes of a model service: validated, admitted, passed to the engine, watched to the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from hxp_schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest, parse_request
from prometheus_client import Counter, Gauge, Histogram

from ._assembly import Assembly
from ._embedding import embedded, refuse_long, refuse_oversized
from ._engine_bounds import engine_form
from ._tap import StreamEnd, StreamTap, TokenCount, token_count
from .chassis import ServiceError, exchange_of, read_body, require_json, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from ._admission import Admission, Permit
    from ._ai_model import BaseAIModelService
    from .chassis import ASGIApp, Exchange, Receive, Scope, Send
    from .engines import Engine, EngineResponse

_ENGINE_EXTRAS: dict[str, tuple[float, float]] = {
    "top_k": (0, 1000),
    "min_p": (0, 1),
    "repeat_penalty": (0.01, 2),
}
"""Engine parameters beyond OpenAI's that pass, each within bounds; everything else stays outside (B7)."""

_Request = ChatCompletionRequest | CompletionRequest | EmbeddingRequest

_LARGE = 64 * 1024
"""Bytes from which a body is parsed in a thread: the event loop serves others between its steps."""
_JSON = [(b"content-type", b"application/json")]
_FIRST_TOKEN_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The boundaries that OpenTelemetry's GenAI conventions give for gen_ai.server.time_to_first_token."""


class ModelMetrics:
    """What a model service measures beside its requests."""

    def __init__(
        self, registry: CollectorRegistry, *, admission: Callable[[], Admission], engine: Callable[[], Engine]
    ) -> None:
        self._tokens = Counter("hxp_model_tokens", "Tokens, by kind.", ("kind",), registry=registry)
        self._first_token = Histogram(
            "hxp_model_time_to_first_token_seconds",
            "From the request to the first byte of the answer.",
            buckets=_FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        Gauge(
            "hxp_model_requests_running", "Slots in use, as long as the engine works.", registry=registry
        ).set_function(lambda: admission().statistics().running)
        Gauge("hxp_model_requests_waiting", "Requests in the queue.", registry=registry).set_function(
            lambda: admission().statistics().waiting
        )
        Gauge(
            "hxp_model_engine_restarts",
            "How often the engine was started again, since the service was.",
            registry=registry,
        ).set_function(lambda: engine().stats().restarts)

    def observe(self, exchange: Exchange, tokens: TokenCount) -> None:
        """Count one answered request."""
        self._tokens.labels("prompt").inc(tokens.prompt)
        self._tokens.labels("completion").inc(tokens.completion)
        if exchange.first_byte is not None:
            self._first_token.observe(exchange.first_byte - exchange.started)


@dataclass(frozen=True, slots=True)
class Generation:
    """One OpenAI route: the request's type on our side, the path on the engine's."""

    service: BaseAIModelService[Any]
    path: str
    request_type: type[_Request]

    @classmethod
    def paths(cls, service: BaseAIModelService[Any]) -> dict[str, tuple[str, ASGIApp]]:
        """The generation routes of a model service, as entries of a table of paths."""
        types: dict[str, type[_Request]] = {
            "/v1/chat/completions": ChatCompletionRequest,
            "/v1/completions": CompletionRequest,
            "/v1/embeddings": EmbeddingRequest,
        }
        return {path: ("POST", cls(service, path, request_type)) for path, request_type in types.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = exchange_of(scope)
        require_json(scope)
        body = await read_body(scope, receive)
        is_slow = len(body) > _LARGE or b"pattern" in body
        request, payload = await asyncio.to_thread(self._parsed, body) if is_slow else self._parsed(body)
        tenant = self.service.tenant_of(scope)
        async with (
            exchange.cancelled_when_client_leaves(receive),
            self.service.admission.permit(tenant, slots=getattr(request, "n", None) or 1) as permit,
        ):
            await self._answer(exchange, send, payload, permit, is_stream=bool(getattr(request, "stream", None)))

    def _parsed(self, body: bytes) -> tuple[_Request, dict[str, Any]]:
        """Return the request, and what the engine gets of it."""
        if self.request_type is EmbeddingRequest and len(body) > _LARGE:
            refuse_long(body, self.service.settings)
        request = parse_request(self.request_type, body)
        self.service.require_model(request.model)
        return request, self._payload(request)

    def _payload(self, request: _Request) -> dict[str, Any]:
        """What the engine gets: the fields that we know and bound, never what a stranger invents."""
        declared = set(type(request).model_fields)
        payload = request.model_dump(mode="json", exclude_unset=True, include=declared)
        for name, value in (request.model_extra or {}).items():
            if name in _ENGINE_EXTRAS:
                payload[name] = _bounded(name, value)
        payload = engine_form(payload)
        settings = self.service.settings
        if (n := payload.get("n") or 1) > settings.slots:
            message = f"n: {n} answers at once are more than the {settings.slots} slots of this model"
            raise ServiceError.of(400, "invalid_value", message, param="n")
        if isinstance(request, EmbeddingRequest):
            if payload.pop("dimensions", None) is not None:
                message = "dimensions: this model's embeddings have one length; leave the parameter out"
                raise ServiceError.of(400, "unsupported_parameter", message, param="dimensions")
            refuse_oversized(payload["input"], settings)
        elif not payload.get("max_tokens") and not payload.get("max_completion_tokens"):
            payload["max_tokens"] = settings.context
        if not isinstance(request, EmbeddingRequest) and not request.stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        return payload

    async def _answer(
        self, exchange: Exchange, send: Send, payload: dict[str, Any], permit: Permit, *, is_stream: bool
    ) -> None:
        if self.request_type is EmbeddingRequest:
            await self._embed(exchange, send, payload, permit)
            return
        engine = self.service.running_engine
        async with engine.request(self.path, orjson.dumps(payload), permit) as response:
            tokens = await (self._stream if is_stream else self._whole)(send, response)
        exchange.fields.update(prompt_tokens=tokens.prompt, completion_tokens=tokens.completion)
        self.service.model_metrics.observe(exchange, tokens)

    async def _embed(self, exchange: Exchange, send: Send, payload: dict[str, Any], permit: Permit) -> None:
        total = TokenCount(0, 0, is_exact=True)

        def count(tokens: TokenCount) -> None:
            nonlocal total
            total = TokenCount(total.prompt + tokens.prompt, 0, is_exact=total.is_exact and tokens.is_exact)
            exchange.fields.update(prompt_tokens=total.prompt, completion_tokens=0)

        try:
            body = await embedded(self.service.running_engine, payload, permit, self.service.settings, count=count)
            await respond(send, 200, _JSON, body)
        finally:  # what was worked off counts, also when it is refused on the way or the client leaves
            self.service.model_metrics.observe(exchange, total)

    @staticmethod
    async def _whole(send: Send, response: EngineResponse) -> TokenCount:
        assembly = Assembly()
        async for chunk in response.chunks():
            assembly.feed(chunk)
        document = assembly.result()
        await respond(send, 200, _JSON, orjson.dumps(document))
        return token_count(document.get("usage"))

    @staticmethod
    async def _stream(send: Send, response: EngineResponse) -> TokenCount:
        tap = StreamTap()
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for chunk in response.chunks():
            if events := tap.feed(chunk):
                await send({"type": "http.response.body", "body": events, "more_body": True})
        if events := tap.finish():
            await send({"type": "http.response.body", "body": events, "more_body": True})
        if tap.end is StreamEnd.OPEN:
            raise ServiceError.of(502, "stream_truncated", "the engine ended its stream before the answer was complete")
        await send({"type": "http.response.body", "body": b""})
        return tap.tokens


def _bounded(name: str, value: Any) -> float:
    low, high = _ENGINE_EXTRAS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ServiceError.of(400, "invalid_value", f"{name}: must be a number from {low:g} to {high:g}", param=name)
    return value
