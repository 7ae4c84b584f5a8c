"""The errors that services answer with, by name; each has the code, the status and the words that go with it."""

from hxp_schemas._error import ErrorInfo
from hxp_schemas._error_code import ErrorCode


def invalid_value(param: str, rule: str) -> ErrorInfo:
    """A field has a value that is not allowed.

    Example:
        >>> invalid_value("n", "must be at most 16").message
        "Invalid value for 'n': must be at most 16."
    """
    message = f"Invalid value for {param!r}: {rule.rstrip('.')}."
    return ErrorInfo.of(ErrorCode.INVALID_VALUE, message, param=param)


def missing_parameter(param: str) -> ErrorInfo:
    """A field is missing."""
    message = f"Missing required parameter: {param!r}."
    return ErrorInfo.of(ErrorCode.MISSING_REQUIRED_PARAMETER, message, param=param)


def invalid_api_key() -> ErrorInfo:
    """One and the same answer, whatever is wrong with the key."""
    return ErrorInfo.of(ErrorCode.INVALID_API_KEY, "The API key is missing or not valid.")


def permission_denied(needed: str) -> ErrorInfo:
    """The caller is known and may not do this."""
    return ErrorInfo.of(ErrorCode.PERMISSION_DENIED, f"This key may not do that; it needs {needed!r}.")


def model_not_found(model: str) -> ErrorInfo:
    """No model of that name is served here."""
    return ErrorInfo.of(ErrorCode.MODEL_NOT_FOUND, f"There is no model {model[:256]!r}.", param="model")


def context_length_exceeded(limit: int, used: int) -> ErrorInfo:
    """Prompt and answer are longer than the model can read; both in tokens."""
    message = f"This model reads at most {limit} tokens; the request has {used}. Shorten the messages."
    details = {"limit": str(limit), "used": str(used)}
    return ErrorInfo.of(ErrorCode.CONTEXT_LENGTH_EXCEEDED, message, param="messages", metadata=details)


def rate_limited(what: str, *, limit: int, retry_after: float) -> ErrorInfo:
    """Too much in a time.

    Args:
        what: What is limited, such as `requests per minute`.
        limit: How much of it is allowed.
        retry_after: Seconds until more is.
    """
    message = f"The limit of {limit} {what} is reached; try again in {retry_after:g} s."
    return ErrorInfo.of(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=retry_after, metadata={"limit": str(limit)})


def overloaded(retry_after: float = 1.0) -> ErrorInfo:
    """All slots of the model are taken and its queue is full."""
    message = "All slots are taken and the queue is full; try again in a moment."
    return ErrorInfo.of(ErrorCode.MODEL_OVERLOADED, message, retry_after=retry_after)


def internal_error(request_id: str | None = None) -> ErrorInfo:
    """Something broke here; the caller learns nothing but the id that leads to it."""
    message = "Something broke on this side; the request id leads to it."
    return ErrorInfo.of(ErrorCode.INTERNAL_ERROR, message, request_id=request_id)
