"""One model behind an engine, with a bundled model that needs no download."""

from ._service import ModelService
from ._settings import ModelSettings, model_path

__all__ = ["ModelService", "ModelSettings", "model_path"]
