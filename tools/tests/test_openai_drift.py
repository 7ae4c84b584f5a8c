from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import pytest
import yaml
from hxp_schemas import OpenEnum, WireModel

from tools import openai_drift
from tools.openai_drift import Drift, drifts, main, text, wire_models

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = """
components:
  schemas:
    Thing:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          properties:
            mood: {anyOf: [{$ref: '#/components/schemas/Mood'}, {type: 'null'}]}
            kinds: {type: array, items: {type: string, enum: [a, b]}}
            part: {type: object, properties: {inner: {type: string, enum: [deep]}}}
    Base: {type: object, properties: {id: {type: string}, new: {type: integer}}}
    Mood: {type: string, enum: [good, bad]}
    Model: {type: object, properties: {id: {type: string}, object: {type: string, enum: [model]}, fresh: {}}}
"""


class Thing(WireModel):
    id: str
    mood: OpenEnum[Literal["good", "odd"]] | None = None
    kinds: list[Literal["a", "b"]] = []  # noqa: RUF012 - pydantic copies it
    part: dict[str, str] | None = None
    ours: int | None = None


class Unnamed(WireModel):
    """The document knows no such schema."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.yaml"
    path.write_text(DOCUMENT)
    return path


def found() -> list[Drift]:
    document = yaml.safe_load(DOCUMENT)
    return drifts(document, {"Thing": Thing, "Unnamed": Unnamed})


def test_fields_and_values_are_told_both_ways() -> None:
    assert found() == [
        Drift("Thing", "Thing", ["new"], ["ours"], {"mood": ["bad"]}, {"mood": ["odd"]}),
    ]


def test_the_report_reads() -> None:
    assert text(found()).splitlines() == [
        "1 models compared, 1 differ",
        "",
        "Thing (Thing)",
        "  lacks: new",
        "  has besides: ours",
        "  mood lacks: bad",
        "  mood has besides: odd",
    ]
    assert text([Drift("A", "A")]) == "1 models compared, 0 differ"


def test_the_command_writes_json_or_text(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", str(path)]) == 0
    [model] = json.loads(capsys.readouterr().out)
    assert (model["model"], model["missing_fields"]) == ("Model", ["fresh"])
    assert main([str(path)]) == 0
    assert "lacks: fresh" in capsys.readouterr().out


def test_without_a_document_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "HXP_OPENAI_SPEC" in capsys.readouterr().err


def test_every_name_in_the_table_is_a_model_of_ours() -> None:
    assert openai_drift.NAMES.keys() | openai_drift.STRANGERS <= wire_models().keys()
