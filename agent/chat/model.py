"""The model's side of a chat session: a LangChain agent over the verbs, with approval, limits and an account of tokens.

What a model asks for is run only after approval where the verb changes or runs something. The conversation stands in a
LangGraph checkpointer, so that a session, an open request for approval included, goes on after a restart. A tool that
fails tells the model why and ends nothing. Source of the parts: LangChain's middleware reference.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelRequest,
    ModelResponse,
    ToolCallLimitMiddleware,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import get_runtime
from langgraph.types import Command

from ...serving.errors import ServingError, TrialogueError
from ..contracts import CallRecord
from ..verbs.context import Desk
from ..verbs.verb import Verb
from .messages import Approval, ChatEvent, Message, Pending, Request, Token

MODEL_CALLS = 12
"""Calls of the model in one turn: enough to look, propose, run and explain, and an end to a model that goes in
circles."""
TOOL_CALLS = 24
TOOL_TEXT = 6_000
"""Characters of a tool's answer that a model is shown."""


@dataclass(frozen=True)
class ChatAccount:
    """Where the tokens of a conversation are written down, at whose desk, and how many are left (None: no limit)."""

    record: Callable[[CallRecord, Desk], None]
    tokens_left: Callable[[], int | None]


class OutOfTokens(TrialogueError):
    """The study's token budget is spent: the chat's model may not be called again."""


class ModelUnusable(TrialogueError):
    """The chat's model did not answer: unreachable, refused, or too slow. Commands still work."""


class _Accounting(AgentMiddleware[Any, Any, Any]):
    """Refuses a call when no tokens are left, and writes down what each call cost."""

    def __init__(self, account: ChatAccount, model_name: str) -> None:
        super().__init__()
        self._account, self._model = account, model_name

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model inside the study's budget."""
        left = self._account.tokens_left()
        if left is not None and left <= 0:
            raise OutOfTokens(
                "The study's token budget is spent; `/budget tokens=N` raises it. Commands still work."
            )
        started = time.perf_counter()
        try:
            response = handler(request)
        # whatever failed, the call is written down; always raised again
        except Exception as error:
            self._write(
                request.runtime.context,
                "unreachable",
                time.perf_counter() - started,
                detail=f"{type(error).__name__}: {error}"[:500],
            )
            raise
        usage: Mapping[str, Any] = {}
        for message in response.result:
            usage = getattr(message, "usage_metadata", None) or usage
        self._write(
            request.runtime.context,
            "ok",
            time.perf_counter() - started,
            prompt_tokens=int(usage.get("input_tokens", 0)),
            completion_tokens=int(usage.get("output_tokens", 0)),
        )
        return response

    def _write(self, desk: Desk, outcome: Any, latency_s: float, **kwargs: Any) -> None:
        call = CallRecord(self._model, "chat", "", outcome, latency_s=latency_s, **kwargs)
        self._account.record(call, desk)


class AgentTalk:
    """One conversation with a model. Not thread-safe: the session above serialises its turns."""

    def __init__(
        self,
        model: BaseChatModel,
        verbs: Sequence[Verb],
        *,
        model_name: str,
        system_prompt: str,
        account: ChatAccount,
        checkpoints: BaseCheckpointSaver[Any],
        thread: str,
        approval: bool = True,
    ) -> None:
        self.model_name = model_name
        self._checkpoints = checkpoints
        self._verbs = {v.name: v for v in verbs}
        self._config: Any = {
            "configurable": {"thread_id": thread},
            "recursion_limit": 4 * (MODEL_CALLS + TOOL_CALLS),
        }
        gated: dict[str, Any] = {
            v.name: {"allowed_decisions": ["approve", "edit", "reject"]} for v in verbs if v.needs_approval
        }
        limits = [
            ModelCallLimitMiddleware(run_limit=MODEL_CALLS, exit_behavior="end"),
            ToolCallLimitMiddleware(run_limit=TOOL_CALLS),
        ]
        self._agent = create_agent(
            model,
            tools=[_tool(v) for v in verbs],
            context_schema=Desk,
            system_prompt=system_prompt,
            checkpointer=checkpoints,
            middleware=[
                *limits,
                *([HumanInTheLoopMiddleware(gated)] if approval else []),
                _Accounting(account, model_name),
            ],
        )

    @property
    def pending(self) -> tuple[Request, ...]:
        """What waits for approval, also after a restart."""
        interrupts = self._agent.get_state(self._config).interrupts
        return tuple(self._request(a) for i in interrupts for a in i.value["action_requests"])

    def say(self, text: str, desk: Desk) -> Iterator[ChatEvent]:
        """Send what a person wrote; tools are called at ``desk``. An open request for approval is refused by talking on."""
        waiting = self.pending
        if waiting:
            refusal = {"type": "reject", "message": f"Not approved. The user says instead: {text}"}
            yield from self._run(Command(resume={"decisions": [refusal] * len(waiting)}), desk)
        else:
            yield from self._run({"messages": [HumanMessage(text)]}, desk)

    def decide(self, decisions: Sequence[Approval], desk: Desk) -> Iterator[ChatEvent]:
        """Answer the open requests, in their order; what is approved is done at ``desk``, whoever asked for it."""
        answers = [_decision(d, r) for d, r in zip(decisions, self.pending, strict=True)]
        yield from self._run(Command(resume={"decisions": answers}), desk)

    def forget(self) -> None:
        """Start the conversation anew, in this process and after a restart."""
        self._checkpoints.delete_thread(self._config["configurable"]["thread_id"])

    def _run(self, given: Any, desk: Desk) -> Iterator[ChatEvent]:
        try:
            modes: Any = ["updates", "messages"]
            for mode, chunk in self._agent.stream(given, self._config, context=desk, stream_mode=modes):
                yield from self._events(mode, chunk)
        except ServingError as error:
            raise ModelUnusable(f"The chat's model did not answer ({error})") from error
        except TrialogueError:
            raise
        except Exception as error:  # whatever a model's client library raises: the session goes on without it
            raise ModelUnusable(
                f"The chat's model did not answer ({type(error).__name__}: {str(error)[:300]})."
            ) from error

    def _events(self, mode: str, chunk: Any) -> Iterator[ChatEvent]:
        if mode == "messages":
            message, _ = chunk
            if isinstance(message, AIMessageChunk) and message.text:
                yield Token(message.text)
            return
        for node, update in chunk.items():
            if node == "__interrupt__":
                yield Pending(tuple(self._request(a) for i in update for a in i.value["action_requests"]))
            elif isinstance(update, Mapping):
                for message in update.get("messages", ()):
                    yield from _said(message)

    def _request(self, action: Mapping[str, Any]) -> Request:
        verb = self._verbs.get(action["name"])
        return Request(action["name"], dict(action["args"]), verb.help if verb else "")


def _said(message: Any) -> Iterator[ChatEvent]:
    if isinstance(message, AIMessage) and message.text.strip():
        yield Message("assistant", message.text)
    elif isinstance(message, ToolMessage):
        yield Message("tool", str(message.text), tool=message.name or "")


def _decision(decision: Approval, request: Request) -> dict[str, Any]:
    if decision.type == "approve":
        return {"type": "approve"}
    if decision.type == "edit":
        return {
            "type": "edit",
            "edited_action": {"name": request.verb, "args": dict(decision.arguments or {})},
        }
    return {
        "type": "reject",
        "message": decision.message or "The user declined. Do not repeat the request; ask what they want.",
    }


def _tool(verb: Verb) -> StructuredTool:
    def said(which: Verb, arguments: Mapping[str, Any]) -> str:
        try:
            answer = which.function(get_runtime(Desk).context, **arguments)
        except TrialogueError as error:
            return f"Not done: {type(error).__name__}: {error}"
        text = answer.text if answer.text else json.dumps(answer.data, default=str)
        return text if len(text) <= TOOL_TEXT else text[:TOOL_TEXT] + "\n… (cut)"

    return StructuredTool.from_function(
        verb.callable(said),
        name=verb.name,
        description=verb.callable(said).__doc__ or verb.name,
        handle_validation_error=True,
    )
