"""A chat request as the SDK's arguments, as far as its server takes them.

"system" stands for messages of the system's role: where a server has no such role, their words open the first message
of the user. "json_schema" stands for OpenAI's way to state a schema: llama.cpp's servers take it beside ``json_object``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .abilities import ARGUMENTS, Abilities
from .chat import ChatRequest


def options_for(model: str, request: ChatRequest, abilities: Abilities) -> dict[str, Any]:
    """Return the SDK's arguments, without what the server refuses."""
    refused = abilities.refused
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    options: dict[str, Any] = {  # Any: the SDK's own arguments
        "model": model,
        "messages": without_system(messages) if "system" in refused else messages,
    }
    options["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = request.max_tokens
    if request.n > 1:
        options["n"] = request.n
    for name in ("temperature", "top_p", "seed"):
        if getattr(request, name) is not None:
            options[name] = getattr(request, name)
    if request.top_logprobs:
        options |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if request.schema is not None:
        schema = dict(request.schema)
        proposals = {"name": "proposals", "strict": True, "schema": schema}
        options["response_format"] = (
            {"type": "json_object", "schema": schema}
            if "json_schema" in refused
            else {"type": "json_schema", "json_schema": proposals}
        )
    if abilities.stop_thinking:
        options["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
    dropped = {ARGUMENTS[name] for name in refused if name in ARGUMENTS}
    dropped |= {"top_logprobs"} if "logprobs" in refused else set()
    return {name: value for name, value in options.items() if name not in dropped}


def sent(options: Mapping[str, Any]) -> set[str]:
    """Return our names of what stands in ``options`` and could be left out."""
    names = {name for name, argument in ARGUMENTS.items() if argument in options}
    has_system = any(m["role"] == "system" for m in options["messages"])
    return names | {"system"} if has_system else names


def without_system(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with the system's words at the beginning of the first one, which is the user's."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    others = [dict(m) for m in messages if m["role"] != "system"]
    if not system:
        return others
    if others and others[0]["role"] == "user":
        others[0]["content"] = f"{system}\n\n{others[0]['content']}"
        return others
    return [{"role": "user", "content": system}, *others]
