import json
from typing import Annotated, Literal

import pydantic
import pytest
from hxp_schemas import UNSET, OpenEnum, UnknownVariant, Unset, WireModel, Written, known_values
from hxp_schemas.openai import JSONSchema


class Part(WireModel):
    type: Literal["part"] = "part"
    note: Annotated[str | None, Written()] = None
    size: int | None = None
    mood: OpenEnum[Literal["good", "bad"]] | None = None


def test_what_is_read_is_written_as_it_came() -> None:
    for raw in ('{"type":"part"}', "{}", '{"size":null,"x":[1],"a":{"b":null}}', '{"note":"n","mood":"new"}'):
        assert Part.model_validate_json(raw).to_json().decode() == raw
        assert Part.model_validate(json.loads(raw)).to_dict() == json.loads(raw)


def test_what_is_made_has_its_constants_and_what_the_protocol_requires() -> None:
    assert Part().to_json() == b'{"type":"part","note":null}'
    assert Part(size=None, x=1).to_json() == b'{"type":"part","note":null,"size":null,"x":1}'


def test_absent_null_and_unknown_are_told_apart() -> None:
    part = Part.model_validate_json('{"size": null, "x": 3}')
    assert part.said("size") is None
    assert part.said("note") is UNSET
    assert part.said("x") == 3
    assert part.said("y") is UNSET
    assert part.said("to_json") is UNSET


def test_unset_is_false_and_one() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"
    assert UNSET is Unset.UNSET


def test_an_open_enum_takes_any_text_and_only_text() -> None:
    assert Part(mood="new").mood == "new"
    with pytest.raises(pydantic.ValidationError, match="mood\n  Input should be a valid string"):
        Part.model_validate_json('{"mood": 3}')


def test_an_open_enum_says_in_the_schema_what_is_known() -> None:
    schema = Part.model_json_schema()["properties"]["mood"]
    assert schema["anyOf"] == [{"enum": ["good", "bad"], "type": "string"}, {"type": "string"}, {"type": "null"}]
    assert known_values(Part.model_fields["mood"].annotation) == ["good", "bad"]


@pytest.mark.parametrize("raw", ['{"size": "3"}', '{"size": true}', '{"size": 1.5}', '{"note": 3}'])
def test_nothing_is_coerced(raw: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        Part.model_validate_json(raw)


def test_an_unknown_variant_keeps_everything() -> None:
    raw = b'{"type":"hologram","data":[1,{"x":null}]}'
    assert UnknownVariant.model_validate_json(raw).to_json() == raw


def test_a_field_is_asked_for_by_either_of_its_names() -> None:
    schema = JSONSchema.model_validate_json('{"name": "n", "schema": {"a": 1}}')
    assert schema.said("schema") == schema.said("schema_") == {"a": 1}
    assert JSONSchema(name="n").said("schema") is UNSET
