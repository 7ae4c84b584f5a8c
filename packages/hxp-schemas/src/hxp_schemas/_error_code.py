"""The catalogue of error codes: stable names for programs, each with its status and whether to try again."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

RETRYABLE_STATUS: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 525), 529})
"""What may pass by itself, unless somebody says otherwise; 520 to 524 are Cloudflare's words for a gateway that fails,
529 is Anthropic's for an overload."""

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_type(status: int) -> str:
    """Name the OpenAI error type that goes with an HTTP status.

    Example:
        >>> error_type(429), error_type(404), error_type(503)
        ('rate_limit_error', 'invalid_request_error', 'server_error')
    """
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


class ErrorCode(StrEnum):
    """The codes that HXP's own services answer with; upstreams have others, and they pass as they are.

    Example:
        >>> ERROR_CATALOGUE[ErrorCode.MODEL_OVERLOADED].status
        429
    """

    AMBIGUOUS_FRAMING = "ambiguous_framing"
    INVALID_JSON = "invalid_json"
    INVALID_VALUE = "invalid_value"
    MISSING_REQUIRED_PARAMETER = "missing_required_parameter"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    UNSUPPORTED_VALUE = "unsupported_value"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    CONTENT_FILTER = "content_filter"
    INVALID_API_KEY = "invalid_api_key"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a code, no password
    PERMISSION_DENIED = "permission_denied"
    BUDGET_EXCEEDED = "budget_exceeded"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    UNKNOWN_API_VERSION = "unknown_api_version"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    REQUEST_TIMEOUT = "request_timeout"
    CONFLICT = "conflict"
    API_VERSION_SUNSET = "api_version_sunset"
    PRECONDITION_FAILED = "precondition_failed"
    REQUEST_TOO_LARGE = "request_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    MODEL_OVERLOADED = "model_overloaded"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"
    NOT_IMPLEMENTED = "not_implemented"
    STREAM_TRUNCATED = "stream_truncated"
    UPSTREAM_BROKE_OFF = "upstream_broke_off"
    UPSTREAM_GARBAGE = "upstream_garbage"
    UPSTREAM_REFUSED_US = "upstream_refused_us"
    UPSTREAM_TOO_LARGE = "upstream_too_large"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    JOURNAL_UNAVAILABLE = "journal_unavailable"
    SERVER_SHUTDOWN = "server_shutdown"
    SERVICE_STARTING = "service_starting"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UPSTREAM_TIMEOUT = "upstream_timeout"


class ErrorCodeInfo(NamedTuple):
    """What a code stands for.

    Attributes:
        status: The HTTP status that goes with it.
        type: OpenAI's error type.
        retryable: Whether the same request may succeed later.
        meaning: In a sentence.
    """

    status: int
    type: str
    retryable: bool
    meaning: str


def _entry(status: int, meaning: str, *, retryable: bool | None = None) -> ErrorCodeInfo:
    return ErrorCodeInfo(
        status, error_type(status), status in RETRYABLE_STATUS if retryable is None else retryable, meaning
    )


ERROR_CATALOGUE: Final[Mapping[ErrorCode, ErrorCodeInfo]] = MappingProxyType(
    {
        ErrorCode.AMBIGUOUS_FRAMING: _entry(400, "The request's length can be read in two ways."),
        ErrorCode.INVALID_JSON: _entry(400, "The body is not JSON."),
        ErrorCode.INVALID_VALUE: _entry(400, "A field has a value that is not allowed; `param` names it."),
        ErrorCode.MISSING_REQUIRED_PARAMETER: _entry(400, "A field is missing; `param` names it."),
        ErrorCode.UNSUPPORTED_PARAMETER: _entry(400, "This server or model does not take this field."),
        ErrorCode.UNSUPPORTED_VALUE: _entry(400, "This server or model does not take this value."),
        ErrorCode.CONTEXT_LENGTH_EXCEEDED: _entry(400, "Prompt and answer are longer than the model can read."),
        ErrorCode.CONTENT_FILTER: _entry(400, "The prompt was refused for its content."),
        ErrorCode.INVALID_API_KEY: _entry(401, "The key is missing, unknown, expired or revoked."),
        ErrorCode.INVALID_TOKEN: _entry(401, "The token is missing, malformed, expired or not for this server."),
        ErrorCode.PERMISSION_DENIED: _entry(403, "The caller is known and may not do this."),
        ErrorCode.BUDGET_EXCEEDED: _entry(403, "The budget of the key is spent."),
        ErrorCode.MODEL_NOT_FOUND: _entry(404, "No model of that name is served here."),
        ErrorCode.NOT_FOUND: _entry(404, "There is nothing under this path or id."),
        ErrorCode.UNKNOWN_API_VERSION: _entry(404, "No such version of the API is served here."),
        ErrorCode.METHOD_NOT_ALLOWED: _entry(405, "The path knows other methods; `Allow` names them."),
        ErrorCode.NOT_ACCEPTABLE: _entry(406, "No form that was asked for can be given."),
        ErrorCode.REQUEST_TIMEOUT: _entry(408, "The request did not come in time."),
        ErrorCode.CONFLICT: _entry(409, "The state has changed meanwhile."),
        ErrorCode.API_VERSION_SUNSET: _entry(410, "This version of the API is no longer served."),
        ErrorCode.PRECONDITION_FAILED: _entry(412, "The thing is not what the caller thinks it is."),
        ErrorCode.REQUEST_TOO_LARGE: _entry(413, "The body or the header is larger than allowed."),
        ErrorCode.UNSUPPORTED_MEDIA_TYPE: _entry(415, "The body must be JSON."),
        ErrorCode.IDEMPOTENCY_MISMATCH: _entry(422, "The idempotency key was used for another request."),
        ErrorCode.RATE_LIMIT_EXCEEDED: _entry(
            429, "Too many requests or tokens in a time; `retry_after` says when to come back."
        ),
        ErrorCode.INSUFFICIENT_QUOTA: _entry(429, "The quota is used up; waiting does not help.", retryable=False),
        ErrorCode.MODEL_OVERLOADED: _entry(429, "All slots of the model are taken and its queue is full."),
        ErrorCode.CANCELLED: _entry(499, "The caller left before the answer was there."),
        ErrorCode.INTERNAL_ERROR: _entry(500, "Something broke here; the request id leads to it."),
        ErrorCode.NOT_IMPLEMENTED: _entry(501, "Not built yet."),
        ErrorCode.STREAM_TRUNCATED: _entry(502, "The stream ended before the answer was complete."),
        ErrorCode.UPSTREAM_BROKE_OFF: _entry(502, "The upstream closed the connection in the middle of its answer."),
        ErrorCode.UPSTREAM_GARBAGE: _entry(502, "The upstream's answer is not what its protocol says it is."),
        ErrorCode.UPSTREAM_REFUSED_US: _entry(502, "The upstream does not accept this server's own key."),
        ErrorCode.UPSTREAM_TOO_LARGE: _entry(502, "The upstream's answer is larger than allowed."),
        ErrorCode.UPSTREAM_UNREACHABLE: _entry(502, "No connection to the upstream came about."),
        ErrorCode.DATABASE_UNAVAILABLE: _entry(503, "The database does not answer."),
        ErrorCode.ENGINE_UNAVAILABLE: _entry(503, "The engine is starting, or broken."),
        ErrorCode.JOURNAL_UNAVAILABLE: _entry(503, "Usage cannot be recorded, so nothing is served."),
        ErrorCode.SERVER_SHUTDOWN: _entry(503, "The server is going down; another one can serve this."),
        ErrorCode.SERVICE_STARTING: _entry(503, "The service is not ready yet."),
        ErrorCode.UPSTREAM_UNAVAILABLE: _entry(503, "The upstream is full, or cut off after failures."),
        ErrorCode.DEADLINE_EXCEEDED: _entry(504, "The time that the caller gave is over."),
        ErrorCode.UPSTREAM_TIMEOUT: _entry(504, "The upstream did not answer in time."),
    }
)
"""Status, type, retryability and meaning of every code."""
