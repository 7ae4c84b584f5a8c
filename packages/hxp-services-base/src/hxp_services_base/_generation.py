"""The OpenAI routes of a model service: validated, admitted, passed to the engine, watched to the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from hxp_resilience import Bulkhead, BulkheadFullError
from hxp_schemas.openai import ChatCompletionRequest, CompletionRequest, EmbeddingRequest, parse_request
from prometheus_client import Counter, Gauge, Histogram

from ._assembly import Assembly
from ._engine_bounds import engine_form
from ._tap import StreamEnd, StreamTap, TokenCount, token_count
from .chassis import ServiceError, exchange_of, read_body, require_json, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from ._ai_model import BaseAIModelService
    from .chassis import ASGIApp, Exchange, Receive, Scope, Send
    from .engines import EngineResponse

_ENGINE_EXTRAS: dict[str, tuple[float, float]] = {
    "top_k": (0, 1000),
    "min_p": (0, 1),
    "repeat_penalty": (0.01, 2),
}
"""Engine parameters beyond OpenAI's that pass, each within bounds; everything else stays outside (B7)."""

_FIRST_TOKEN_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The boundaries that OpenTelemetry's GenAI conventions give for gen_ai.server.time_to_first_token."""


class ModelMetrics:
    """What a model service measures beside its requests."""

    def __init__(self, registry: CollectorRegistry, *, admission: Callable[[], Bulkhead]) -> None:
        self._tokens = Counter("hxp_model_tokens", "Tokens, by kind.", ("kind",), registry=registry)
        self._first_token = Histogram(
            "hxp_model_time_to_first_token_seconds",
            "From the request to the first byte of the answer.",
            buckets=_FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        Gauge("hxp_model_requests_running", "Requests in a slot.", registry=registry).set_function(
            lambda: admission().statistics().running
        )
        Gauge("hxp_model_requests_waiting", "Requests in the queue.", registry=registry).set_function(
            lambda: admission().statistics().waiting
        )

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
    request_type: type[ChatCompletionRequest | CompletionRequest | EmbeddingRequest]

    @classmethod
    def paths(cls, service: BaseAIModelService[Any]) -> dict[str, tuple[str, ASGIApp]]:
        """The generation routes of a model service, as entries of a table of paths."""
        types: dict[str, type[ChatCompletionRequest | CompletionRequest | EmbeddingRequest]] = {
            "/v1/chat/completions": ChatCompletionRequest,
            "/v1/completions": CompletionRequest,
            "/v1/embeddings": EmbeddingRequest,
        }
        return {path: ("POST", cls(service, path, request_type)) for path, request_type in types.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = exchange_of(scope)
        require_json(scope)
        request = parse_request(self.request_type, await read_body(scope, receive))
        self.service.require_model(request.model)
        payload = self._payload(request)
        async with exchange.cancelled_when_client_leaves(receive):
            try:
                async with self.service.admission:
                    await self._answer(exchange, send, payload, is_stream=bool(getattr(request, "stream", None)))
            except BulkheadFullError as error:
                raise _busy(error) from error

    def _payload(self, request: ChatCompletionRequest | CompletionRequest | EmbeddingRequest) -> bytes:
        """What the engine gets: the fields that we know and bound, never what a stranger invents."""
        declared = set(type(request).model_fields)
        payload = {k: v for k, v in request.model_dump(mode="json", exclude_unset=True).items() if k in declared}
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
        elif not payload.get("max_tokens") and not payload.get("max_completion_tokens"):
            payload["max_tokens"] = settings.context
        if not isinstance(request, EmbeddingRequest) and not request.stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(payload)

    async def _answer(self, exchange: Exchange, send: Send, payload: bytes, *, is_stream: bool) -> None:
        async with self.service.running_engine.request(self.path, payload) as response:
            if is_stream:
                tokens = await self._stream(send, response)
            else:
                tokens = await self._whole(send, response)
        exchange.fields.update(prompt_tokens=tokens.prompt, completion_tokens=tokens.completion)
        self.service.model_metrics.observe(exchange, tokens)

    async def _whole(self, send: Send, response: EngineResponse) -> TokenCount:
        if self.request_type is EmbeddingRequest:
            body = b"".join([chunk async for chunk in response.chunks()])
            document = orjson.loads(body)
        else:
            assembly = Assembly()
            async for chunk in response.chunks():
                assembly.feed(chunk)
            document = assembly.result()
            body = orjson.dumps(document)
        await respond(send, 200, [(b"content-type", b"application/json")], body)
        return token_count(document.get("usage"))

    @staticmethod
    async def _stream(send: Send, response: EngineResponse) -> TokenCount:
        tap = StreamTap()
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for chunk in response.chunks():
            if events := tap.feed(chunk):
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


def _busy(error: BulkheadFullError) -> ServiceError:
    message = "all slots are taken and the queue is full; try again in a moment"
    return ServiceError.of(
        429,
        "model_overloaded",
        message,
        type="rate_limit_error",
        retryable=True,
        retry_after=error.retry_after or 1.0,
    )
