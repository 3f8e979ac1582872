"""LangChain's chat model over any OpenAI-compatible server: pieces as they come, and what the server lacks left out.

LangChain's own client merges the pieces of other servers' tool calls wrongly, and fails where a server does not stream,
knows no tools, or no system's role. Here a server that refuses a conversation is asked again with its latest turn.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr, SecretStr

from ...serving.endpoints.refusals import Refusal
from ...serving.endpoints.requests import without_system
from ...serving.endpoints.stream import chat_events
from ...serving.errors import EndpointTimeout, EndpointUnreachable
from .wire import Reply, latest_turn, sendable

_REFUSABLE = {
    "tools": r"\btools?\b|function call",
    "system": r"\bsystem\b|roles must alternate",
    "stream_options": r"stream_options",
}


class ServedChat(BaseChatModel):
    """A served model in a conversation. Thread-safe; ``disable_streaming`` asks for whole answers."""

    base_url: str
    name: str | None = None
    api_key: SecretStr | None = None
    timeout_s: float = 120.0
    _refused: set[str] = PrivateAttr(default_factory=set)

    @property
    def _llm_type(self) -> str:
        return "served"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
        """Return this model with tools to call; which of them, it chooses itself."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        tools = kwargs.get("tools") or []
        history = [dict(m) for m in convert_to_openai_messages(messages)]
        reply = Reply([tool["function"]["name"] for tool in tools])
        try:
            for event in self._answer(history, tools):
                if words := reply.feed(event):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=words))
        except EndpointTimeout:
            if not reply.has_words:
                raise  # else what has come by now is the answer: a small model may never end one by itself
        rest, requests = reply.end()
        usage = reply.usage(sendable(history))
        counts: Any = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.total,
        }
        pieces = [
            tool_call_chunk(name=r.tool, args=json.dumps(r.arguments), id=r.call_id, index=i)
            for i, r in enumerate(requests)
        ]
        last = AIMessageChunk(content=rest, tool_call_chunks=pieces, usage_metadata=counts)
        yield ChatGenerationChunk(message=last)

    def _answer(self, said: list[dict[str, Any]], tools: list[Any]) -> Iterator[Any]:
        """Yield the events of an answer; a refusal is met with what it names left out, then with the latest turn alone."""
        whole, said, shortened = said, sendable(said), False
        unreachable = 0
        while True:
            has_begun = False
            try:
                for event in self._asked(said, tools):
                    has_begun = True
                    yield event
                return
            except EndpointUnreachable:
                unreachable += 1
                if has_begun or unreachable > 1:
                    raise
            except Refusal as error:
                options_named = error.names(_REFUSABLE) - self._refused
                if has_begun:
                    raise
                if options_named:
                    self._refused |= options_named
                elif shortened or not error.is_about_the_request:
                    raise
                else:
                    said, shortened = sendable(latest_turn(whole)), True

    def _asked(self, said: list[dict[str, Any]], tools: list[Any]) -> Iterator[Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": without_system(said) if "system" in self._refused else said,
        }
        if tools and "tools" not in self._refused:
            body["tools"] = tools
        if not self.disable_streaming:
            body["stream"] = True
            if "stream_options" not in self._refused:
                body["stream_options"] = {"include_usage": True}
        key = self.api_key.get_secret_value() if self.api_key else None
        yield from chat_events(self.base_url, body, api_key=key, timeout_s=self.timeout_s)
