"""Answers of the protocol itself: to what is no request, or is one that no handler should see."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import hxp_logging
from hxp_schemas import ErrorInfo

from ._errors import error_answer

if TYPE_CHECKING:
    from ._asgi import Headers


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason to answer without a handler, and to close the connection afterwards.

    Attributes:
        reason: Its name in metrics and logs.
        status: The HTTP status.
        code: The stable code of the error.
        message: What was wrong and what to do.
    """

    reason: str
    status: int
    code: str
    message: str

    def encode(self, *, path: str, dated: Headers) -> bytes:
        """Return the whole response.

        Args:
            path: The path as far as it was read; it decides the dialect.
            dated: Headers of every response of the server.
        """
        request_id = hxp_logging.accept_request_id(None)
        info = ErrorInfo(code=self.code, message=self.message, status=self.status, request_id=request_id)
        answer = error_answer(info, path=path)
        headers = [
            *dated,
            *answer.headers,
            (b"x-request-id", request_id.encode("ascii")),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        lines = b"".join([b"%s: %s\r\n" % line for line in headers])
        phrase = HTTPStatus(self.status).phrase.encode("ascii")
        return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (self.status, phrase, lines, answer.body)


MALFORMED = Refusal(
    "malformed",
    400,
    "malformed_request",
    "the request line, a header or the framing breaks RFC 9112",
)
BAD_HOST = Refusal("host", 400, "invalid_host", "send exactly one valid Host header (RFC 9112, section 3.2)")
BAD_TARGET = Refusal("target", 400, "invalid_target", "the request target is no path and no http URL")
OLD_FRAMING = Refusal("framing", 400, "invalid_framing", "HTTP/1.0 has no Transfer-Encoding; send a Content-Length")
UNKNOWN_CODING = Refusal("framing", 501, "unsupported_framing", "chunked is the only transfer coding supported")
UNKNOWN_VERSION = Refusal("version", 505, "unsupported_version", "versions 1.0 and 1.1 of HTTP are supported")
NO_TUNNEL = Refusal("method", 405, "method_not_allowed", "CONNECT is not allowed here")
LONG_TARGET = Refusal("target_length", 414, "uri_too_long", "the request line has more than 64 KiB; shorten the URL")
LONG_HEAD = Refusal("head_length", 431, "headers_too_large", "line and headers have more than 64 KiB together")
LONG_FRAMING = Refusal(
    "framing_length", 431, "headers_too_large", "chunk extensions and trailers have more than 64 KiB together"
)
MANY_HEADERS = Refusal("header_count", 431, "headers_too_large", "the request has more than 100 headers")
SLOW_HEAD = Refusal("head_timeout", 408, "request_timeout", "the headers of the request did not arrive in time")
TOO_MANY_PIPELINED = Refusal(
    "pipelining", 400, "too_many_pipelined", "wait for answers before sending further requests on one connection"
)
BROKEN = Refusal("broken", 500, "internal_error", "the server failed; the request id finds the cause")
FULL = Refusal("capacity", 503, "too_many_connections", "the server has too many connections; try again in a moment")
FULL_ADDRESS = Refusal(
    "address_capacity", 503, "too_many_connections", "your address has too many connections; reuse or close some"
)
