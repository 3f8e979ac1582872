"""A chat request as the SDK's arguments; knows what servers refuse and how they say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .chat import ChatRequest

DROPPABLE = {
    "seed": ("seed",),
    "logprobs": ("logprobs", "top_logprobs"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "enable_thinking": ("thinking", "extra_body"),
    "chat_template_kwargs": ("thinking", "extra_body"),
    "response_format": ("schema",),
    "json_schema": ("schema",),
    "guided": ("schema",),
    "grammar": ("schema",),
    "schema": ("schema",),
    "max_tokens": ("max_tokens",),
}
"""Words in a refusal, in the order in which they are looked for, and the options that are left out because of them."""


@dataclass(frozen=True)
class Traits:
    """What was learnt about a server: options it refuses, whether it obeys ``n``, whether thinking must be off."""

    refused: frozenset[str] = frozenset()
    obeys_n: bool = True
    stop_thinking: bool = False


def options_for(model: str, request: ChatRequest, traits: Traits) -> dict[str, Any]:
    """Return the SDK's arguments, without what the server refuses."""
    refused = traits.refused
    options: dict[str, Any] = {  # Any: the SDK's own arguments
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "max_completion_tokens" if "max_tokens" in refused else "max_tokens": request.max_tokens,
    }
    if request.n > 1:
        options["n"] = request.n
    for name in ("temperature", "top_p", "seed"):
        if getattr(request, name) is not None and name not in refused:
            options[name] = getattr(request, name)
    if request.top_logprobs and "logprobs" not in refused:
        options |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if request.schema is not None and "schema" not in refused:
        schema = {"name": "proposals", "strict": True, "schema": dict(request.schema)}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    if traits.stop_thinking and "thinking" not in refused:
        options["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
    return options


def refused_options(message: str, options: Mapping[str, Any]) -> frozenset[str]:
    """Return which of our options a refusal speaks of; where it names none, the schema, the most demanding one."""
    text = message.lower()
    if "context length" in text or "maximum context" in text or "context_length" in text:
        return frozenset()
    sent = {
        "schema": "response_format",
        "thinking": "extra_body",
        "max_tokens": "max_tokens",
        "logprobs": "logprobs",
    }
    for word, names in DROPPABLE.items():
        if word in text and sent.get(names[0], names[0]) in options:
            return frozenset(names[:1])
    return frozenset({"schema"}) if "response_format" in options else frozenset()
