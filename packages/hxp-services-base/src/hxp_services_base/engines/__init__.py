"""Programs that run a model for us; each adapter is one file, and nothing here loads an engine into this process."""

from typing import TYPE_CHECKING

from .._lazy import lazy_exports

if TYPE_CHECKING:
    from ._cpu import REQUIRED_FLAGS, missing_cpu_flags
    from ._engine import Engine, EngineDownError, EngineResponse, EngineStats
    from ._llamacpp import LlamaCppEngine, LlamaCppOptions
    from ._process import EngineProcess, EngineStartError
    from ._suspects import CrashSuspectError
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_cpu": ("REQUIRED_FLAGS", "missing_cpu_flags"),
            "_engine": ("Engine", "EngineDownError", "EngineResponse", "EngineStats"),
            "_llamacpp": ("LlamaCppEngine", "LlamaCppOptions"),
            "_process": ("EngineProcess", "EngineStartError"),
            "_suspects": ("CrashSuspectError",),
        },
    )

__all__ = [
    "REQUIRED_FLAGS",
    "CrashSuspectError",
    "Engine",
    "EngineDownError",
    "EngineProcess",
    "EngineResponse",
    "EngineStartError",
    "EngineStats",
    "LlamaCppEngine",
    "LlamaCppOptions",
    "missing_cpu_flags",
]
