"""Base classes, chassis, engines and orchestration for LLM services, and the hxp command."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from ._admission import Admission, AdmissionStatistics, Permit
    from ._ai_model import AIModelSettings, BaseAIModelService
    from ._context import Context, Identity
    from ._health import Check, HealthMonitor, Probe
    from ._infrastructure import BaseInfrastructureService, Resource
    from ._integration import BaseIntegrationService
    from ._keyring import KeyVerifier, Pepper, PepperError, new_key
    from ._lifecycle import Lifecycle, StartError
    from ._models_route import ModelsRoute
    from ._part import Part
    from ._pool import UpstreamPool
    from ._service import BaseService, Settings
    from ._state import IllegalTransitionError, State, StateMachine, Transition
    from ._tap import GarbageStreamError, StreamEnd, StreamTap, TokenCount, token_count
    from ._upstream import NotSentError, Upstream, UpstreamError, UpstreamOptions, UpstreamResponse
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_admission": ("Admission", "AdmissionStatistics", "Permit"),
            "_ai_model": ("AIModelSettings", "BaseAIModelService"),
            "_context": ("Context", "Identity"),
            "_health": ("Check", "HealthMonitor", "Probe"),
            "_infrastructure": ("BaseInfrastructureService", "Resource"),
            "_integration": ("BaseIntegrationService",),
            "_keyring": ("KeyVerifier", "Pepper", "PepperError", "new_key"),
            "_lifecycle": ("Lifecycle", "StartError"),
            "_models_route": ("ModelsRoute",),
            "_part": ("Part",),
            "_pool": ("UpstreamPool",),
            "_service": ("BaseService", "Settings"),
            "_state": ("IllegalTransitionError", "State", "StateMachine", "Transition"),
            "_tap": ("GarbageStreamError", "StreamEnd", "StreamTap", "TokenCount", "token_count"),
            "_upstream": ("NotSentError", "Upstream", "UpstreamError", "UpstreamOptions", "UpstreamResponse"),
        },
    )

__all__ = [
    "AIModelSettings",
    "Admission",
    "AdmissionStatistics",
    "BaseAIModelService",
    "BaseInfrastructureService",
    "BaseIntegrationService",
    "BaseService",
    "Check",
    "Context",
    "GarbageStreamError",
    "HealthMonitor",
    "Identity",
    "IllegalTransitionError",
    "KeyVerifier",
    "Lifecycle",
    "ModelsRoute",
    "NotSentError",
    "Part",
    "Pepper",
    "PepperError",
    "Permit",
    "Probe",
    "Resource",
    "Settings",
    "StartError",
    "State",
    "StateMachine",
    "StreamEnd",
    "StreamTap",
    "TokenCount",
    "Transition",
    "Upstream",
    "UpstreamError",
    "UpstreamOptions",
    "UpstreamPool",
    "UpstreamResponse",
    "new_key",
    "token_count",
]
