"""The FastAPI app of a service: its routes, and every framework error in the caller's dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from hxp_schemas import ErrorInfo, ErrorInfoError
from starlette.exceptions import HTTPException

from ._errors import error_answer

if TYPE_CHECKING:
    from starlette.types import ExceptionHandler

    from .._service import BaseService


def build_app(service: BaseService[Any]) -> FastAPI:
    """The app that serves `service.routes()`; documentation pages are off, telemetry is the chassis's own."""
    app = FastAPI(
        title=type(service).__name__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    router = APIRouter()
    service.routes(router)
    app.include_router(router)
    handlers: dict[type[Exception], ExceptionHandler] = {
        ErrorInfoError: _told,
        HTTPException: _http_error,
        RequestValidationError: _invalid,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return app


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, ErrorInfoError)  # noqa: S101 - registered for this type alone
    return _response(request, error.info, getattr(error, "headers", None))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    known = {404: "not_found", 405: "method_not_allowed"}
    messages = {
        404: f"there is nothing at {request.url.path[:200]!r}",
        405: f"{request.method} is not allowed here; the Allow header names what is",
    }
    info = ErrorInfo(
        code=known.get(error.status_code, "http_error"),
        message=messages.get(error.status_code, str(error.detail)),
        status=error.status_code,
    )
    return _response(request, info, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type alone
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    info = ErrorInfo(code="invalid_value", message=f"{param or 'body'}: {first['msg']}", status=400, param=param)
    return _response(request, info, None)


def _response(request: Request, info: ErrorInfo, headers: Any) -> Response:
    answer = error_answer(info, path=request.url.path, headers=headers)
    response = Response(answer.body, answer.status)
    response.raw_headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    return response
