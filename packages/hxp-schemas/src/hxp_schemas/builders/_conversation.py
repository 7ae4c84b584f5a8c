"""Conversations, message by message; what would be refused later is refused where it is written."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from hxp_schemas.openai._chat import ChatCompletionRequest
from hxp_schemas.openai._chat_answer import ChatCompletion, ChatCompletionMessage
from hxp_schemas.openai._message import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionDeveloperMessageParam,
    ChatCompletionMessageParam,
    ChatCompletionMessageToolCallParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
from hxp_schemas.openai._part import ChatCompletionContentPartParam


class Conversation:
    """A conversation that grows; every method returns a new one, so a prefix can be shared.

    Args:
        messages: What was said so far.

    Example:
        >>> talk = Conversation().system("Be brief.").user("What is HXP?")
        >>> talk.request("hxp-tiny", temperature=0).to_json()[:60]
        b'{"model":"hxp-tiny","messages":[{"role":"system","content":"'
    """

    __slots__ = ("_messages",)

    def __init__(self, messages: Sequence[ChatCompletionMessageParam] = ()) -> None:
        self._messages = tuple(messages)

    @property
    def messages(self) -> list[ChatCompletionMessageParam]:
        """What was said so far."""
        return list(self._messages)

    def say(self, message: ChatCompletionMessageParam) -> Self:
        """Add any message.

        Raises:
            ValueError: A tool answers a call that nobody made.
        """
        if isinstance(message, ChatCompletionToolMessageParam) and message.tool_call_id not in self.open_calls:
            raise ValueError(f"no open tool call {message.tool_call_id!r}; open are {sorted(self.open_calls)}")
        return type(self)((*self._messages, message))

    def system(self, text: str) -> Self:
        """Add what the operator tells the model."""
        return self.say(ChatCompletionSystemMessageParam(role="system", content=text))

    def developer(self, text: str) -> Self:
        """Add what the developer tells the model."""
        return self.say(ChatCompletionDeveloperMessageParam(role="developer", content=text))

    def user(self, content: str | list[ChatCompletionContentPartParam], name: str | None = None) -> Self:
        """Add what the user says: text, or parts as `text_part` and its siblings make them."""
        named = {} if name is None else {"name": name}
        return self.say(ChatCompletionUserMessageParam(role="user", content=content, **named))

    def assistant(
        self, content: str | None = None, *, tool_calls: Sequence[ChatCompletionMessageToolCallParam] = ()
    ) -> Self:
        """Add what the model said, or which tools it called."""
        fields: dict[str, Any] = {"content": content}
        if tool_calls:
            fields["tool_calls"] = list(tool_calls)
        return self.say(ChatCompletionAssistantMessageParam(role="assistant", **fields))

    def tool(self, tool_call_id: str, content: str) -> Self:
        """Add what a tool answered.

        Raises:
            ValueError: Nobody called it, or it has answered already.
        """
        return self.say(ChatCompletionToolMessageParam(role="tool", content=content, tool_call_id=tool_call_id))

    def reply(self, answer: ChatCompletion | ChatCompletionMessage) -> Self:
        """Add what the model answered, as the history of the next request; its thoughts stay behind.

        Raises:
            ValueError: The answer has no choice.
        """
        if isinstance(answer, ChatCompletion):
            if not answer.choices:
                raise ValueError(f"the answer {answer.id!r} has no choice")
            answer = answer.choices[0].message
        said = answer.to_dict()
        kept = {name: said[name] for name in ("refusal", "tool_calls", "function_call") if said.get(name)}
        if answer.audio is not None:
            kept["audio"] = {"id": answer.audio.id}  # the server has the sound
        content = answer.text or (None if kept else "")  # which servers want where nothing else is said
        message = {"role": "assistant", "content": content, **kept}
        return self.say(ChatCompletionAssistantMessageParam.model_validate(message))

    @property
    def open_calls(self) -> set[str]:
        """The ids of the tool calls that no tool has answered yet."""
        calls: set[str] = set()
        for message in self._messages:
            if isinstance(message, ChatCompletionAssistantMessageParam):
                calls |= {call.id for call in message.tool_calls or ()}
            elif isinstance(message, ChatCompletionToolMessageParam):
                calls.discard(message.tool_call_id)
        return calls

    def request(self, model: str, **parameters: Any) -> ChatCompletionRequest:
        """Make a request of the conversation.

        Args:
            model: The model's name.
            **parameters: Other fields of the request.

        Raises:
            pydantic.ValidationError: A parameter is out of bounds.
            ValueError: A tool call has no answer, which servers refuse.
        """
        if missing := sorted(self.open_calls):
            raise ValueError(f"the tool calls {missing} have no answer yet")
        said: Mapping[str, Any] = {"model": model, "messages": self.messages, **parameters}
        return ChatCompletionRequest(**said)
