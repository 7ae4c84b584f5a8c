"""What a model service is told, and which file it means by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hxp_model import ModelService, ModelSettings, _service, model_path
from hxp_services_base import Identity, StartError
from hxp_services_base.testing import hosted
from pydantic import ValidationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "hxp-tiny"),
        ({"model": "bundled:hxp-tiny"}, "hxp-tiny"),
        ({"model": "/models/Qwen2.5-0.5B.gguf"}, "Qwen2.5-0.5B"),
        ({"model": "here.gguf", "name": ""}, "here"),
        ({"model": "here.gguf", "name": "mine"}, "mine"),
    ],
)
def test_the_name_is_that_of_the_file_unless_given(given: dict[str, Any], name: str) -> None:
    assert ModelSettings.model_validate(given).name == name


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"engine": "vllm"}, "engine"),
        ({"slots": 0}, "slots"),
        ({"slots": 10**9}, "slots"),
        ({"threads": 0}, "threads"),
        ({"gpu_layers": -1}, "gpu_layers"),
        ({"context": 10**9}, "context"),
        ({"queue_timeout": float("nan")}, "queue_timeout"),
        ({"name": "x" * 129}, "name"),
        ({"slot": 1}, "slot"),
        (7, ""),
    ],
)
def test_what_cannot_work_is_refused_by_name(given: Any, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelSettings.model_validate(given)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == field


def test_the_bundled_model_is_there() -> None:
    path = model_path("bundled:hxp-tiny")
    assert path.is_absolute()
    assert path.read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize("name", ["bundled:nothing", "bundled:", "bundled:../../secret"])
def test_an_unknown_bundled_model_is_told_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"nothing is bundled as .* \(bundled: bundled:hxp-tiny\)"):
        model_path(name)


def test_a_file_that_will_not_do_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").write_bytes(b"GGU")
    for name, message in (
        ("missing.gguf", "there is no file 'missing.gguf'; give the path of a GGUF file"),
        (".", "there is no file"),
        ("model.gguf", "'model.gguf' is not a GGUF file"),
    ):
        with pytest.raises(ValueError, match=message):
            model_path(name)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert model_path("model.gguf") == tmp_path / "model.gguf"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert model_path("~/model.gguf") == tmp_path / "model.gguf"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"failed in start: model: there is no file"),
        (b"hello", r"failed in start: model: .* is not a GGUF file"),
        (b"GGUF" + b"\xff" * 100, r"failed in start: .*"),
        (b"GGUF", r"failed in start: .*"),
    ],
)
async def test_a_service_without_a_usable_model_says_so_at_start(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    identity = Identity("tiny", instance="tiny-0", state_dir=tmp_path / ".hxp")
    with pytest.raises(StartError, match=message):
        async with hosted(ModelService(), ModelSettings(model=str(file)), identity=identity):
            pass


@pytest.mark.anyio
async def test_a_processor_that_lacks_what_the_engine_needs_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_service, "missing_cpu_flags", lambda: frozenset({"fma", "avx2"}))
    with pytest.raises(StartError, match="this processor lacks avx2, fma"):
        async with hosted(ModelService()):
            pass
