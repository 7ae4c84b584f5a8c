import json
from typing import Any

import pytest
from hxp_schemas.openai import ChatCompletionRequest, VLLMParams, to_flat, to_namespace
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NAMES = st.sampled_from([*VLLMParams.model_fields]) | st.sampled_from(["model", "temperature", "x_new", "top_p"])
FLAT = st.dictionaries(NAMES, st.none() | st.integers() | st.text(max_size=3) | st.just({"a": [1]}))


@given(FLAT)
def test_flat_to_namespace_and_back_loses_nothing(body: dict[str, Any]) -> None:
    nested = to_namespace(body)
    assert to_flat(nested) == body
    assert not nested.keys() & VLLMParams.model_fields.keys()
    assert to_namespace(to_flat(nested)) == nested


def test_every_family_of_parameters_is_known() -> None:
    flat = {
        "top_k": 40,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "stop_token_ids": [1, 2],
        "ignore_eos": True,
        "guided_json": {"type": "object"},
        "guided_regex": "a+",
        "guided_choice": ["a", "b"],
        "structured_outputs": {"json": {"type": "object"}},
        "chat_template_kwargs": {"enable_thinking": False},
    }
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **flat}
    assert to_namespace(body)["vllm"] == flat
    assert VLLMParams.of(body).to_dict() == flat == VLLMParams.of(to_namespace(body)).to_dict()
    request = ChatCompletionRequest.model_validate(to_namespace(body))
    assert json.loads(request.to_json()) == to_namespace(body)


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ({"top_k": 10**9}, "top_k\n  Input should be less than or equal to 1000000"),
        ({"min_p": 2}, "min_p\n  Input should be less than or equal to 1"),
        ({"repetition_penalty": 0}, "greater than 0"),
        ({"min_tokens": 10**9}, "1048576"),
        ({"stop_token_ids": [0] * 5000}, "at most 4096"),
        ({"guided_regex": "a" * 70_000}, "at most 65536"),
    ],
)
def test_each_parameter_is_bounded(flat: dict[str, Any], message: str) -> None:
    """B7, B11: the message names field, rule and limit."""
    with pytest.raises(ValidationError, match=message):
        VLLMParams.of(flat)


@pytest.mark.parametrize("move", [to_namespace, to_flat])
def test_both_forms_at_once_are_refused(move: Any) -> None:
    with pytest.raises(ValueError, match="'top_k' stands both in 'vllm' and beside it"):
        move({"top_k": 1, "vllm": {"top_k": 2}})


@pytest.mark.parametrize("name", ["n", "max_tokens", "messages", "prompt", "model", "best_of"])
def test_no_parameter_of_openais_comes_past_its_bounds_through_the_namespace(name: str) -> None:
    """B7: the request is validated with the namespace, the upstream reads the flat form."""
    with pytest.raises(ValueError, match=f"'{name}' is no parameter of 'vllm'"):
        to_flat({"vllm": {name: 10**9}})
    assert to_flat({"vllm": {"prompt_logprobs": 1, "x_new": 1}}) == {"prompt_logprobs": 1, "x_new": 1}


def test_a_namespace_is_an_object() -> None:
    with pytest.raises(ValueError, match="'vllm' must be an object"):
        to_flat({"vllm": 3})
