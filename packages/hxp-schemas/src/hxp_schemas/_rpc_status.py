"""The third face of an error: `google.rpc.Status` in JSON, as AIP-193 (https://google.aip.dev/193) has it.

What its fields cannot hold (a code that is no reason, a type or a retryability of one's own) travels in the metadata of
its `ErrorInfo` detail under names that begin with `hxp-`, so that nothing is lost on the way there and back.
"""

from collections.abc import Mapping
from typing import Any, Protocol

_TYPE = "type.googleapis.com/google.rpc."
_DOMAIN = "hxp"
_OWN = "hxp-"
_ESCAPE = "hxp-x-"
_REASON = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Info(Protocol):
    """What is told of an error."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def param(self) -> str | None: ...
    @property
    def retry_after(self) -> float | None: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, str]: ...


def write_status(info: _Info, *, own: Mapping[str, str]) -> dict[str, Any]:
    """Write an error as `google.rpc.Status` in its JSON form.

    Args:
        info: The error.
        own: What this format has no field for.
    """
    reason = info.code.upper()
    if not (_is_reason(reason) and reason.lower() == info.code):
        own, reason = {**own, "code": info.code}, "OTHER"
    theirs = {_escaped(name): value for name, value in info.metadata.items()}
    mine = {f"{_OWN}{name}": value for name, value in own.items()}
    details: list[dict[str, Any]] = [_detail("ErrorInfo", reason=reason, domain=_DOMAIN, metadata={**theirs, **mine})]
    if info.retry_after is not None:
        details.append(_detail("RetryInfo", retryDelay=f"{_decimal(info.retry_after)}s"))
    if info.param is not None:
        violation = {"field": info.param, "description": info.message}
        details.append(_detail("BadRequest", fieldViolations=[violation]))
    if info.request_id is not None:
        details.append(_detail("RequestInfo", requestId=info.request_id))
    name = _NAMES.get(info.status) or ("UNKNOWN" if info.status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": info.status, "message": info.message, "status": name, "details": details}}


def read_status(error: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the inside of such a document into the fields of `ErrorInfo`; `None` if it is none."""
    details = error.get("details")
    if not (isinstance(error.get("status"), str) and (isinstance(details, list) or "code" in error)):
        return None
    found: dict[str, Any] = {"message": error.get("message"), "code": error["status"].lower()}
    for detail in details if isinstance(details, list) else ():
        kind = detail.get("@type") if isinstance(detail, dict) else None
        if isinstance(kind, str):
            found |= _READERS.get(kind.removeprefix(_TYPE), _nothing)(detail)
    return found


def _is_reason(text: str) -> bool:
    """Whether AIP-193 allows it: `[A-Z][A-Z0-9_]+[A-Z0-9]`, at most 63 characters."""
    return 2 <= len(text) <= 63 and _REASON.issuperset(text) and text[0].isalpha() and text[-1] != "_"


def _detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": _TYPE + kind, **fields}


def _escaped(name: str) -> str:
    return _ESCAPE + name.removeprefix(_OWN) if name.startswith(_OWN) else name


def _decimal(seconds: float) -> str:
    text = f"{seconds:.9f}".rstrip("0")
    return text.removesuffix(".")


def _nothing(_detail: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _read_error_info(detail: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {}}
    reason, metadata = detail.get("reason"), detail.get("metadata")
    if isinstance(reason, str):
        found["code"] = reason.lower()
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        if name.startswith(_ESCAPE):
            found["metadata"][_OWN + name.removeprefix(_ESCAPE)] = value
        elif name in {"hxp-code", "hxp-type"}:
            found[name.removeprefix(_OWN)] = value
        elif name == "hxp-retryable":
            found["retryable"] = value == "true"
        else:
            found["metadata"][name] = value
    return found


def _read_retry_info(detail: Mapping[str, Any]) -> dict[str, Any]:
    delay = detail.get("retryDelay")
    seconds = delay.removesuffix("s") if isinstance(delay, str) and delay.isascii() and len(delay) < 24 else ""
    return {"retry_after": float(seconds)} if seconds.replace(".", "", 1).isdigit() else {}


def _read_bad_request(detail: Mapping[str, Any]) -> dict[str, Any]:
    violations = detail.get("fieldViolations")
    first = violations[0] if isinstance(violations, list) and violations else None
    return {"param": first.get("field")} if isinstance(first, dict) else {}


def _read_request_info(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"request_id": detail.get("requestId")}


_READERS = {
    "ErrorInfo": _read_error_info,
    "RetryInfo": _read_retry_info,
    "BadRequest": _read_bad_request,
    "RequestInfo": _read_request_info,
}
