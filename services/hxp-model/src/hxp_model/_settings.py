"""What a model service is told."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from hxp_services_base import AIModelSettings
from pydantic import Field, model_validator

_BUNDLED = "bundled:"


class ModelSettings(AIModelSettings):
    """One model behind llama.cpp.

    Example:
        >>> ModelSettings(model="bundled:hxp-tiny").name
        'hxp-tiny'
        >>> ModelSettings(model="/models/qwen.gguf").name
        'qwen'
    """

    engine: Literal["llamacpp"] = Field(default="llamacpp", description="The program that runs the model.")
    model: str = Field(
        default="bundled:hxp-tiny", min_length=1, description="Path of a GGUF file, or bundled:hxp-tiny."
    )
    threads: int = Field(default=1, ge=1, le=512, description="Threads of computation; 1 is best for a tiny model.")
    gpu_layers: int = Field(default=0, ge=0, le=10_000, description="Layers to keep on a GPU.")
    name: str = Field(default="", max_length=128, description="The name clients ask for; the file's unless given.")

    @model_validator(mode="before")
    @classmethod
    def _name_from_model(cls, values: object) -> object:
        if isinstance(values, dict) and not values.get("name"):
            model = values.get("model", cls.model_fields["model"].default)
            if isinstance(model, str):
                return {**values, "name": Path(model.removeprefix(_BUNDLED)).stem}
        return values


def model_path(model: str) -> Path:
    """The GGUF file that `model` means.

    Raises:
        ValueError: If there is no such file, with what to do.
    """
    if model.startswith(_BUNDLED):
        bundled = {file.stem: file for file in Path(str(resources.files(__package__) / "bundled")).glob("*.gguf")}
        path = bundled.get(model.removeprefix(_BUNDLED))
        if path is None:
            names = ", ".join(f"{_BUNDLED}{name}" for name in sorted(bundled)) or "none"
            raise ValueError(f"model: nothing is bundled as {model!r} (bundled: {names})")
        return path
    path = Path(model).expanduser()
    if not path.is_file():
        raise ValueError(f"model: there is no file {str(path)!r}; give the path of a GGUF file, or bundled:hxp-tiny")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError(f"model: {str(path)!r} is not a GGUF file")
    return path.absolute()
