"""From sources to a model, and from what is wrong back to the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hxp_config import ConfigError, ConfigProblem, Defaults, Environment, Overrides, YamlFile, YamlText, load
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict


class Limits(BaseModel):
    requests: int = Field(default=1, ge=1)
    max_tokens: int = Field(default=1, alias="max-tokens")


class Service(BaseModel):
    port: int
    host: str = "127.0.0.1"
    limits: Limits = Limits()
    token: SecretStr | None = None

    @model_validator(mode="after")
    def no_unlucky_port(self) -> Service:
        if self.port == 13:
            raise ValueError("port 13 brings bad luck")
        return self


class Stack(BaseModel):
    name: str = "hxp"
    services: dict[str, Service] = {}
    tags: list[str] = []


def told(model: type[Any], *texts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(model, [YamlText(text, f"{index}.yaml") for index, text in enumerate(texts, 1)])
    return [str(problem) for problem in caught.value.errors]


def test_a_configuration_becomes_the_model() -> None:
    snapshot = load(Stack, [YamlText("services: {gateway: {port: '8000', limits: {max-tokens: 5}}}", "hxp.yaml")])
    assert snapshot.value.services["gateway"].port == 8000
    assert snapshot.value.services["gateway"].limits.max_tokens == 5


def test_an_unknown_key_is_refused_with_its_place_and_a_suggestion() -> None:
    """C1."""
    assert told(Stack, "services:\n  gateway:\n    port: 1\n    prot: 8000") == [
        "services.gateway.prot: unknown key at 1.yaml:4:5, did you mean 'port'?"
    ]
    assert told(Stack, "servces: {}\nqqq: 1") == [
        "servces: unknown key at 1.yaml:1:1, did you mean 'services'?",
        "qqq: unknown key at 1.yaml:2:1",
    ]
    assert told(Stack, "services: {a: {port: 1, limits: {max_tokens: 1}}}") == [
        "services.a.limits.max_tokens: unknown key at 1.yaml:1:34, did you mean 'max-tokens'?"
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_sources_and_lines() -> None:
    first = "tags: 1\nservices:\n  b: {}\n  a:\n    port: x\n    limits:\n      requests: 0\nnmae: x\n"
    second = "services:\n  c:\n    port: 13\n"
    with pytest.raises(ConfigError) as caught:
        load(
            Stack,
            [
                YamlText(first, "1.yaml"),
                YamlText(second, "2.yaml"),
                Environment(environ={"HXP__SERVICES__D__PRT": "1"}),
                Overrides(["oops=1"]),
            ],
        )
    assert str(caught.value).splitlines() == [
        "9 problems in the configuration:",
        "  tags: input should be a valid list at 1.yaml:1:7",
        "  services.b.port: a required key is missing at 1.yaml:3:3",
        "  services.a.port: input should be a valid integer, unable to parse string as an integer at 1.yaml:5:11",
        "  services.a.limits.requests: input should be greater than or equal to 1 at 1.yaml:7:17",
        "  nmae: unknown key at 1.yaml:8:1, did you mean 'name'?",
        "  services.c: port 13 brings bad luck at 2.yaml:2:3",
        "  services.d.port: a required key is missing at HXP__SERVICES__D__PRT",
        "  services.d.prt: unknown key at HXP__SERVICES__D__PRT, did you mean 'port'?",
        "  oops: unknown key at --set",
    ]


def test_an_error_of_a_section_points_to_its_key() -> None:
    text = "services:\n  # a comment\n  gateway:\n    host: x\n    port: 13\n"
    with pytest.raises(ConfigError) as caught:
        load(Stack, [YamlText(text, "hxp.yaml")])
    (problem,) = caught.value.errors
    assert isinstance(problem, ConfigProblem)
    assert (problem.path, problem.message) == ("services.gateway", "port 13 brings bad luck")
    assert problem.origin is not None
    assert (problem.origin.source, problem.origin.line, problem.origin.column) == ("hxp.yaml", 3, 3)


def test_an_error_of_the_whole_has_no_path() -> None:
    class Whole(BaseModel):
        a: int = 0

        @model_validator(mode="after")
        def never(self) -> Whole:
            raise ValueError("nothing is right")

    assert told(Whole, "\n\n  a: 1") == ["nothing is right at 1.yaml:3:3"]
    with pytest.raises(ConfigError, match=r"^nothing is right at configuration$"):
        load(Whole, [])


def test_the_latest_source_is_blamed_for_a_value() -> None:
    assert told(Stack, "services: {a: {port: x}}", "services:\n  a:\n    port: y") == [
        "services.a.port: input should be a valid integer, unable to parse string as an integer at 2.yaml:3:11"
    ]


def test_the_value_is_never_shown() -> None:
    """C7, L4."""
    text = "services:\n  a: {port: canary, host: [canary], token: [canary], limits: canary}\n"
    assert "canary" not in "".join(told(Stack, text))


def test_a_model_may_allow_or_ignore_unknown_keys() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int = 0

    class Deaf(BaseModel):
        model_config = ConfigDict(extra="ignore")

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        open: Open = Open()
        deaf: Deaf = Deaf()
        unset: Limits = Limits()

    snapshot = load(Strict, [YamlText("open: {b: {c: 1}}\ndeaf: {x: 1}", "f")])
    assert snapshot.value.open.model_extra == {"b": {"c": 1}}
    assert told(Strict, "open: {b: 1}\nx: 1\nunset: {request: 1}\ndeaf: {y: 1}") == [
        "x: unknown key at 1.yaml:2:1",
        "unset.request: unknown key at 1.yaml:3:9, did you mean 'requests'?",
    ]


class Llama(BaseModel):
    engine: Literal["llamacpp"]
    slots: int = 1


class Vllm(BaseModel):
    engine: Literal["vllm"]
    gpus: int = 1


Engine = Annotated[Llama | Vllm, Field(discriminator="engine")]


class Model(BaseModel):
    engine: Engine | None = None
    engines: dict[str, Engine] = {}
    mixed: list[int | Llama] = []
    numbers: dict[int, int] = {}


def test_labels_of_unions_are_not_keys() -> None:
    assert told(Model, "engine:\n  engine: llamacpp\n  slot: 1\n  slots: x") == [
        "engine.slot: unknown key at 1.yaml:3:3, did you mean 'slots'?",
        "engine.slots: input should be a valid integer, unable to parse string as an integer at 1.yaml:4:10",
    ]
    assert told(Model, "engines:\n  llamacpp:\n    engine: llamacpp\n    slots: x") == [
        "engines.llamacpp.slots: input should be a valid integer, unable to parse string as an integer at 1.yaml:4:12"
    ]
    assert told(Model, "engine:\n  engine: canary") == [
        "engine: 'engine' should be one of 'llamacpp', 'vllm' at 1.yaml:1:1"
    ]
    assert told(Model, "mixed:\n  - 1\n  - {engine: llamacpp, slts: 1}") == [
        "mixed.1: input should be a valid integer at 1.yaml:3:5",
        "mixed.1.slts: unknown key at 1.yaml:3:24, did you mean 'slots'?",
    ]


def test_a_wrong_key_of_a_mapping_is_blamed_itself() -> None:
    assert told(Model, "numbers:\n  1: 2\n  x: 3\n  3: y") == [
        "numbers.x: input should be a valid integer, unable to parse string as an integer at 1.yaml:3:3",
        "numbers.3: input should be a valid integer, unable to parse string as an integer at 1.yaml:4:6",
    ]


def test_a_text_field_gets_the_text_that_a_variable_holds() -> None:
    environ = {"HXP__NAME": "0123", "HXP__SERVICES__A__PORT": "0123"}
    snapshot = load(Stack, [Environment(environ=environ), Overrides(["services.a.host=1.50"])])
    assert snapshot.value.name == "0123"
    assert snapshot.value.services["a"].host == "1.50"
    assert snapshot.value.services["a"].port == 83  # YAML 1.1 reads a leading zero as octal
    assert told(Stack, "name: 0123") == ["name: input should be a valid string at 1.yaml:1:7"]


class Aliased(BaseModel):
    first: int = Field(default=0, validation_alias=AliasChoices("one", AliasPath("deep", "one")))
    second: int = Field(default=0, validation_alias=AliasPath("deep", "two"))


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    max_tokens: int = Field(default=0, alias="maxTokens")


def test_suggestions_know_aliases() -> None:
    assert told(Aliased, "onee: 1\ndep: 1\n") == [
        "onee: unknown key at 1.yaml:1:1, did you mean 'one'?",
        "dep: unknown key at 1.yaml:2:1, did you mean 'deep'?",
    ]
    assert told(ByName, "max-token: 1") == ["max-token: unknown key at 1.yaml:1:1, did you mean 'max_tokens'?"]


Nested = dict[str, list[Limits]] | tuple[Limits, ...]


class Deep(BaseModel):
    nested: Nested = {}


def test_suggestions_see_through_containers() -> None:
    assert "did you mean 'requests'?" in "".join(told(Deep, "nested: {a: [{}, {reqests: 1}]}"))
    assert "did you mean 'requests'?" in "".join(told(Deep, "nested: [{reqests: 1}]"))


@dataclass
class Plain:
    number: int


@pydantic_dataclass(config=ConfigDict(extra="ignore"))
class Deaf:
    number: int


class Typed(TypedDict):
    number: int


LimitsAlias = TypeAliasType("LimitsAlias", Limits)


def test_any_type_that_pydantic_knows_will_do() -> None:
    assert load(Plain, [Defaults({"number": "3"})]).value == Plain(3)
    assert load(dict[str, int], [Defaults({"a": 1})]).value == {"a": 1}
    assert told(Plain, "number: 1\nnumbr: 2") == ["numbr: unknown key at 1.yaml:2:1, did you mean 'number'?"]
    assert told(Typed, "number: 1\nnumbr: 2") == ["numbr: unknown key at 1.yaml:2:1, did you mean 'number'?"]
    assert load(Deaf, [Defaults({"number": 1, "numbr": 2})]).value.number == 1


def test_a_type_alias_is_seen_through() -> None:
    class Holder(BaseModel):
        limits: LimitsAlias = Limits()

    assert "did you mean 'requests'?" in "".join(told(Holder, "limits: {reqests: 1}"))


def test_a_model_that_is_built_late_will_do() -> None:
    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)
        limits: Limits = Limits()

    assert load(Late, [Defaults({"limits": {"requests": 2}})]).value.limits.requests == 2


def test_an_error_survives_pickling_and_knows_its_problems() -> None:
    import pickle  # noqa: PLC0415 (errors cross process borders)

    with pytest.raises(ConfigError) as caught:
        load(Stack, [YamlFile("/absent/hxp.yaml")])
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.errors == caught.value.errors
    assert str(again) == "the file does not exist at /absent/hxp.yaml"
