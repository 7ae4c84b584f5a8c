"""What is generated from a model tells the truth about what `load` takes."""

import json
from pathlib import Path
from typing import Annotated, Literal

import jsonschema_rs
import pytest
from hxp_config import (
    ConfigError,
    DotenvFile,
    Environment,
    YamlText,
    env_example,
    json_schema,
    load,
    reference_page,
    settings_of,
)
from hxp_schemas import StackConfig
from pydantic import BaseModel, Field, SecretStr


class Limits(BaseModel):
    """How much."""

    rate: int = Field(default=5, ge=1, le=9, description="Requests per second.\n\nMore about it.")
    window: float | None = None


class Service(BaseModel):
    port: int = Field(description="Where it listens.")
    limits: Limits = Limits()


class Settings(BaseModel):
    name: str = Field(default="hxp", description="What it is | called.")
    mode: Literal["fast", "safe"] = "safe"
    level: Annotated[int, Field(gt=0, lt=4)]
    services: dict[str, Service] = {}
    limits: Limits = Limits()
    extra_limits: Limits = Limits(rate=7)
    tags: list[str | int] = []
    labels: dict[str, str] = {}
    anything: dict[str, object] = {}
    api_key: SecretStr = SecretStr("dev-only")
    version: Literal[1] = 1


def test_every_setting_is_listed_with_its_variable() -> None:
    told = {one.path: (one.variable, one.type, one.required, one.default) for one in settings_of(Settings)}
    assert told == {
        "name": ("HXP__NAME", "string", False, '"hxp"'),
        "mode": ("HXP__MODE", "one of `fast`, `safe`", False, '"safe"'),
        "level": ("HXP__LEVEL", "integer > 0, < 4", True, None),
        "services.*.port": (None, "integer", True, None),
        "services.*.limits.rate": (None, "integer ≥ 1, ≤ 9", False, "5"),
        "services.*.limits.window": (None, "number", False, "null"),
        "limits.rate": ("HXP__LIMITS__RATE", "integer ≥ 1, ≤ 9", False, "5"),
        "limits.window": ("HXP__LIMITS__WINDOW", "number", False, "null"),
        "extra_limits.rate": ("HXP__EXTRA_LIMITS__RATE", "integer ≥ 1, ≤ 9", False, "5"),
        "extra_limits.window": ("HXP__EXTRA_LIMITS__WINDOW", "number", False, "null"),
        "tags": ("HXP__TAGS", "list of string or integer", False, "[]"),
        "labels": ("HXP__LABELS", "mapping to string", False, "{}"),
        "anything": ("HXP__ANYTHING", "mapping", False, "{}"),
        "api_key": ("HXP__API_KEY", "string", False, None),
        "version": ("HXP__VERSION", "`1`", False, "1"),
    }


def test_the_schema_takes_what_load_takes_and_refuses_what_it_refuses() -> None:
    validator = jsonschema_rs.validator_for(json_schema(Settings))
    for text in (
        "level: 1",
        "level: 1\nservices: {a: {port: 1, limits: {rate: 9}}}",
        "level: 1\nlimits: {window: null}",
        "level: 9",
        "level: 1\nnmae: x",
        "level: 1\nservices: {a: {prot: 1}}",
        "level: 1\nlimits: {rate: 10}",
        "{}",
    ):
        source = YamlText(text, "f")
        document = load(dict[str, object], [source]).value
        try:
            load(Settings, [source])
        except ConfigError:
            assert not validator.is_valid(document), text
        else:
            assert validator.is_valid(document), text


def test_each_variable_that_the_schema_names_sets_its_value() -> None:
    schema = json_schema(Settings, prefix="APP")
    assert schema["properties"]["name"]["x-origin-env"] == "APP__NAME"
    rate = schema["properties"]["limits"]["properties"]["rate"]
    assert rate["x-origin-env"] == "APP__LIMITS__RATE"
    other = schema["properties"]["extra_limits"]["properties"]["rate"]
    assert other["x-origin-env"] == "APP__EXTRA_LIMITS__RATE"
    environ = {"APP__LEVEL": "2", "APP__LIMITS__RATE": "3", "APP__EXTRA_LIMITS__RATE": "4"}
    value = load(Settings, [Environment("APP", environ)]).value
    assert (value.limits.rate, value.extra_limits.rate) == (3, 4)


def test_the_example_of_a_dotenv_file_is_one_and_shows_no_secret(tmp_path: Path) -> None:
    text = env_example(Settings)
    assert "# Requests per second.\n# integer ≥ 1, ≤ 9\n# HXP__LIMITS__RATE=5" in text
    assert "# integer > 0, < 4, required\n# HXP__LEVEL=\n" in text
    assert "# HXP__API_KEY=\n" in text
    assert "dev-only" not in text
    lines = [line.removeprefix("# ") for line in text.splitlines() if "=" in line and "HXP__LEVEL" not in line]
    (tmp_path / ".env").write_text("\n".join([*(line for line in lines if not line.endswith("=")), "HXP__LEVEL=1"]))
    loaded = load(Settings, [DotenvFile(tmp_path / ".env")])
    assert loaded.value.mode == "safe"


def test_the_reference_page_has_a_row_for_each_setting() -> None:
    page = reference_page(Settings, title="Settings of a thing")
    assert page.startswith("# Settings of a thing\n")
    assert "| `level` | integer > 0, < 4 | **required** | `HXP__LEVEL` |  |" in page
    assert "What it is \\| called." in page
    assert page.count("\n| `") == len(settings_of(Settings))


@pytest.mark.parametrize("generated", [json_schema, env_example, reference_page, settings_of])
def test_our_own_stack_can_be_described(generated: object) -> None:
    assert callable(generated)
    assert generated(StackConfig)
    assert json.dumps(json_schema(StackConfig))
