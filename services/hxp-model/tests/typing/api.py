"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from hxp_model import ModelService, ModelSettings, model_path
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from hxp_services_base.engines import Engine


class Mine(ModelService):
    lame_duck = 0.0


async def use() -> None:
    settings = ModelSettings(model="bundled:hxp-tiny", slots=2, threads=1, gpu_layers=0)
    assert_type(settings.name, str)
    assert_type(model_path(settings.model), Path)
    async with hosted(Mine(), settings) as running:
        assert_type(running, Running[Mine])
        assert_type(running.service.settings, ModelSettings)
        engine: Engine = running.service.running_engine
        assert_type(engine.stats().is_up, bool)
