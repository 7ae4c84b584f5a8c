"""How a service meets HTTP: one plain ASGI layer, probes, errors, body limits, and the host that runs it all."""

from typing import TYPE_CHECKING

from .._lazy import lazy_exports

if TYPE_CHECKING:
    from ._asgi import ASGIApp, Headers, Message, Receive, Scope, Send, header, respond
    from ._auth import TENANT_HEADER, StackAuth, bearer_token, unauthorised
    from ._body import BODY_TIMEOUT, MAX_BODY, ClientLeftError, read_body, require_json
    from ._errors import ErrorAnswer, ServiceError, error_answer, error_events, is_openai_path
    from ._exchange import Exchange, InFlight, exchange_of
    from ._host import PROBE_PORT_OFFSET, ServiceHost
    from ._operations import Answer, Operations
    from ._paths import Paths
    from ._ports import PortInUseError, bind, holder_of
    from ._shell import Shell
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_asgi": ("ASGIApp", "Headers", "Message", "Receive", "Scope", "Send", "header", "respond"),
            "_auth": ("StackAuth", "TENANT_HEADER", "bearer_token", "unauthorised"),
            "_body": ("BODY_TIMEOUT", "ClientLeftError", "MAX_BODY", "read_body", "require_json"),
            "_errors": ("ErrorAnswer", "ServiceError", "error_answer", "error_events", "is_openai_path"),
            "_exchange": ("Exchange", "InFlight", "exchange_of"),
            "_host": ("PROBE_PORT_OFFSET", "ServiceHost"),
            "_operations": ("Answer", "Operations"),
            "_paths": ("Paths",),
            "_ports": ("PortInUseError", "bind", "holder_of"),
            "_shell": ("Shell",),
        },
    )

__all__ = [
    "BODY_TIMEOUT",
    "MAX_BODY",
    "PROBE_PORT_OFFSET",
    "TENANT_HEADER",
    "ASGIApp",
    "Answer",
    "ClientLeftError",
    "ErrorAnswer",
    "Exchange",
    "Headers",
    "InFlight",
    "Message",
    "Operations",
    "Paths",
    "PortInUseError",
    "Receive",
    "Scope",
    "Send",
    "ServiceError",
    "ServiceHost",
    "Shell",
    "StackAuth",
    "bearer_token",
    "bind",
    "error_answer",
    "error_events",
    "exchange_of",
    "header",
    "holder_of",
    "is_openai_path",
    "read_body",
    "require_json",
    "respond",
    "unauthorised",
]
