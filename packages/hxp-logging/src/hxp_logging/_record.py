"""One thing that happened, on its way to a line."""

from typing import Any, NamedTuple

from ._clean import Cleaner, Secrets, printable_text
from ._context import Context


class Record(NamedTuple):  # a frozen dataclass takes four times as long to make, once per line
    """What was said.

    Attributes:
        fields: Everything that was bound and given, in that order.
        stamp: RFC 3339 UTC, to the microsecond.
    """

    stamp: str
    level: int
    logger: str
    event: str
    fields: dict[str, Any]
    context: Context


def exception_fields(error: BaseException, cleaner: Cleaner, secrets: Secrets) -> dict[str, str]:
    """Describe an exception under OpenTelemetry's names; without the values of local variables."""
    import traceback  # noqa: PLC0415 - most programs never get here

    kind = type(error)
    try:
        message = str(error)
        stack = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - an exception that cannot be told must not raise another
        message = stack = f"<unprintable {kind.__name__}>"
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {
        "exception.type": name,
        "exception.message": cleaner.text(message),
        "exception.stacktrace": printable_text(secrets.cut_middle(stack)),
    }
