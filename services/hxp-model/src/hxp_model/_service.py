"""The model service: the base class, with llama.cpp as its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_services_base import BaseAIModelService
from hxp_services_base.engines import missing_cpu_flags

from ._settings import ModelSettings, model_path

if TYPE_CHECKING:
    from hxp_services_base.engines import Engine


class ModelService(BaseAIModelService[ModelSettings]):
    """One GGUF model behind llama.cpp."""

    def engine(self) -> Engine:
        """The engine for the configured file.

        Raises:
            ValueError: If the file is missing, or the processor cannot run the engine.
        """
        from hxp_services_base.engines import LlamaCppEngine, LlamaCppOptions  # noqa: PLC0415 - only where it runs

        if missing := missing_cpu_flags():
            raise ValueError(f"this processor lacks {', '.join(sorted(missing))}, which llama.cpp's wheel needs")
        settings = self.settings
        return LlamaCppEngine(
            LlamaCppOptions(
                model=str(model_path(settings.model)),
                alias=settings.name,
                slots=settings.slots,
                context=settings.context,
                threads=settings.threads,
                gpu_layers=settings.gpu_layers,
            )
        )
