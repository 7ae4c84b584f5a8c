import json
from typing import Any

import pydantic
import pytest
from hxp_schemas import ErrorInfo, builders
from hxp_schemas.builders import Conversation, call_arguments, file_part, function_tool, image_part, tool_call
from hxp_schemas.openai import ChatCompletion, ChatCompletionContentPartParam, ChatCompletionMessage, Choice


class Weather(pydantic.BaseModel):
    """Tell the weather of a city."""

    city: str


def test_a_conversation_becomes_a_request() -> None:
    talk = Conversation().system("Be brief.").developer("In English.").user("Hi", name="ann").assistant("Hello.")
    assert json.loads(talk.request("m", temperature=0.5, top_k=3).to_json()) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "In English."},
            {"role": "user", "content": "Hi", "name": "ann"},
            {"role": "assistant", "content": "Hello."},
        ],
        "temperature": 0.5,
        "top_k": 3,
    }


def test_a_conversation_is_never_changed() -> None:
    start = Conversation().system("x")
    start.user("a")
    assert len(start.messages) == 1
    start.messages.clear()
    assert len(start.messages) == 1


def test_a_user_may_show_play_and_hand_over() -> None:
    parts: list[ChatCompletionContentPartParam] = [
        builders.text_part("What is this?"),
        image_part("https://example.org/cat.png", detail="low"),
        image_part(b"x", media_type="image/jpeg"),
        builders.audio_part(b"x", "wav"),
        file_part("file-1"),
        file_part(b"x"),
    ]
    written = json.loads(Conversation().user(parts).request("m").to_json())["messages"][0]["content"]
    assert written == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,eA=="}},
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"filename": "file.pdf", "file_data": "data:application/pdf;base64,eA=="}},
    ]


def test_tools_are_called_answered_and_the_history_is_one_that_a_server_takes() -> None:
    call = builders.answered_tool_call("weather", {"city": "Rome"}, call_id="call_1")
    message = ChatCompletionMessage(content=None, tool_calls=[call], reasoning="Hm.")
    answer = ChatCompletion(id="1", model="m", choices=[Choice(message=message, finish_reason="tool_calls")])
    talk = Conversation().user("Weather?").reply(answer)
    assert talk.open_calls == {"call_1"}
    with pytest.raises(ValueError, match=r"\['call_1'\] have no answer"):
        talk.request("m")
    with pytest.raises(ValueError, match="no open tool call 'call_2'"):
        talk.tool("call_2", "?")
    whole = talk.tool("call_1", "sunny").request("m", tools=[function_tool("weather", Weather)])
    assert json.loads(whole.to_json())["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
        ],
    }


def test_an_answer_is_said_again_without_its_thoughts() -> None:
    talk = Conversation().reply(ChatCompletionMessage(content="Hi", reasoning_content="Hm"))
    assert talk.messages[0].to_dict() == {"role": "assistant", "content": "Hi"}
    with pytest.raises(ValueError, match="has no choice"):
        talk.reply(ChatCompletion(id="1", model="m", choices=[]))


SOUND = {"id": "audio_1", "expires_at": 1, "data": "AA==", "transcript": "Hi"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"content": ""}, {"content": ""}),
        ({"content": None}, {"content": ""}),
        ({"content": None, "refusal": "No."}, {"content": None, "refusal": "No."}),
        ({"content": None, "audio": SOUND}, {"content": None, "audio": {"id": "audio_1"}}),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]}, {"content": "Hi"}),
        (
            {"content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"content": None, "function_call": {"name": "f", "arguments": "{}"}},
        ),
    ],
    ids=["empty", "null", "refusal", "audio", "mistral", "function"],
)
def test_every_form_of_an_answer_is_said_again(answer: dict[str, Any], said: dict[str, Any]) -> None:
    talk = Conversation().reply(ChatCompletionMessage.model_validate(answer))
    assert talk.request("m").to_dict()["messages"] == [{"role": "assistant", **said}]


def test_a_call_may_be_made_for_the_history() -> None:
    call = tool_call("weather", '{"city": "Rome"}')
    assert call.id.startswith("call_")
    talk = Conversation().assistant(tool_calls=[call]).tool(call.id, "sunny")
    assert talk.open_calls == set()


def test_a_tool_may_be_a_schema() -> None:
    tool = function_tool("f", {"type": "object"}, description="Does f.", strict=True)
    assert tool.to_dict() == {
        "type": "function",
        "function": {"name": "f", "description": "Does f.", "parameters": {"type": "object"}, "strict": True},
    }


def test_arguments_are_read_or_refused_without_being_quoted() -> None:
    assert call_arguments(tool_call("f", "")) == {}
    assert call_arguments(tool_call("f", {"a": 1})) == {"a": 1}
    for text in ('{"secret": ', "[1]", "3", "[" * 100_000):
        with pytest.raises(ValueError, match="call_1' of 'f' are no JSON object") as caught:
            call_arguments(tool_call("f", text, call_id="call_1"))
        assert "secret" not in str(caught.value)


def test_a_bad_parameter_is_refused_where_it_is_written() -> None:
    with pytest.raises(pydantic.ValidationError, match="temperature\n  Input should be less than or equal to 2"):
        Conversation().user("Hi").request("m", temperature=3)


@pytest.mark.parametrize(
    ("info", "status", "code", "param"),
    [
        (builders.invalid_value("n", "must be at most 16."), 400, "invalid_value", "n"),
        (builders.missing_parameter("model"), 400, "missing_required_parameter", "model"),
        (builders.invalid_api_key(), 401, "invalid_api_key", None),
        (builders.permission_denied("chat:write"), 403, "permission_denied", None),
        (builders.model_not_found("x"), 404, "model_not_found", "model"),
        (builders.context_length_exceeded(4096, 5000), 400, "context_length_exceeded", "messages"),
        (builders.rate_limited("requests per minute", limit=60, retry_after=1.5), 429, "rate_limit_exceeded", None),
        (builders.overloaded(), 429, "model_overloaded", None),
        (builders.internal_error("req_1"), 500, "internal_error", None),
    ],
    ids=lambda value: value.code if isinstance(value, ErrorInfo) else None,
)
def test_an_error_has_the_code_and_the_status_of_the_catalogue(
    info: ErrorInfo, status: int, code: str, param: str | None
) -> None:
    assert (info.status, info.code, info.param) == (status, code, param)
    assert info.message.endswith(".")
    assert info.retryable == (status in {429, 500})
