"""What a live OpenAI-compatible server can do for a planner: each ability proven by one request, not assumed.

Structured output, log-probabilities, prefix caching (by vLLM's own counters) and tool calls. For the doctor and for
``serve-model``; answers are judged by form only, so that an untrained model can be checked too.
"""

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

PLANNER_FLAGS: dict[str, bool | str] = {
    "enable_auto_tool_choice": True,
    "structured_outputs_config": '{"backend": "xgrammar", "disable_any_whitespace": true}',
}
"""What a server needs for planners and chat. White space off: a weak model can fill an answer with it and never end."""
ROOM = 200
"""Tokens for an answer by a schema."""
_SCHEMA = {
    "type": "object",
    "properties": {
        "kernel": {"enum": ["linear", "rbf"]},
        "c": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["kernel", "c"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "study_status",
        "strict": True,
        "description": "How a study stands.",
        "parameters": {"type": "object", "properties": {"trial": {"enum": [1, 2]}}, "required": ["trial"],
                       "additionalProperties": False},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Capability:
    """One ability: whether the server showed it, and what it answered."""

    name: str
    shown: bool
    detail: str


def capabilities(
    base_url: str, model: str, *, timeout_s: float = 120.0, api_key: str | None = None
) -> Iterator[Capability]:
    """Yield each ability of the server at ``base_url`` (ending in ``/v1``); a refusal is a finding, never an error."""
    ask = _Asker(base_url.rstrip("/"), model, timeout_s, api_key)
    checks: tuple[tuple[str, Callable[[_Asker], tuple[bool, str]]], ...] = (
        ("structured output", _structured),
        ("log-probabilities", _logprobs),
        ("prefix caching", _prefix_caching),
        ("tool calls", _tools),
    )
    for name, check in checks:
        try:
            shown, detail = check(ask)
        except urllib.error.HTTPError as error:
            shown, detail = False, f"refused ({error.code}): {error.read()[:200].decode(errors='replace')}"
        except (OSError, http.client.HTTPException) as error:
            shown, detail = False, f"no answer: {error}"
        except ValueError as error:
            shown, detail = False, str(error)
        yield Capability(name, shown, detail)


def _part(answer: Any, *path: str | int) -> Any:  # Any: JSON
    """Return what stands at ``path`` of an answer; raises ValueError with the first step that is not there."""
    for i, step in enumerate(path):
        try:
            answer = answer[step]
        except (KeyError, IndexError, TypeError):
            where = ".".join(map(str, path[: i + 1]))
            raise ValueError(f"the answer has no `{where}`: the server ignores what was asked for") from None
    return answer


def _parsed(text: Any) -> Any:  # Any: JSON
    """Return the JSON that an answer should be; raises ValueError that shows what it is instead."""
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        raise ValueError(f"the answer is not JSON: {str(text)[:80]!r}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the answer it is: followed, it would be sent the key."""

    def redirect_request(self, *args: Any, **named: Any) -> None:  # Any: urllib's own
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True)
class _Asker:
    base_url: str
    model: str
    timeout_s: float
    api_key: str | None

    @property
    def headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {"Content-Type": "application/json", **key}

    def chat(self, text: str, **fields: Any) -> dict[str, Any]:  # Any: JSON
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            "temperature": 0,
            **fields,
        }
        request = urllib.request.Request(
            f"{self.base_url}/chat/completions", json.dumps(body).encode(), self.headers
        )
        with _OPENER.open(request, timeout=self.timeout_s) as answer:
            return _part(_parsed(answer.read().decode(errors="replace")), "choices", 0)

    def counter(self, name: str) -> float:
        request = urllib.request.Request(self.base_url.removesuffix("/v1") + "/metrics", headers=self.headers)
        with _OPENER.open(request, timeout=10) as answer:
            counts = re.findall(rf"^{name}\{{[^}}]*\}} ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
        return sum(map(float, counts))


def _structured(ask: _Asker) -> tuple[bool, str]:
    ways: tuple[dict[str, Any], ...] = (
        {"type": "json_schema", "json_schema": {"name": "choice", "schema": _SCHEMA, "strict": True}},
        {"type": "json_object", "schema": _SCHEMA},  # llama-cpp-python's
    )
    try:
        reply = ask.chat("Choose a kernel.", response_format=ways[0], max_tokens=ROOM)
    except urllib.error.HTTPError:
        reply = ask.chat("Choose a kernel.", response_format=ways[1], max_tokens=ROOM)
    answer = _parsed(_part(reply, "message", "content"))
    kernel, c = _part(answer, "kernel"), _part(answer, "c")
    return kernel in ("linear", "rbf") and c in range(1, 10), json.dumps(answer)


def _logprobs(ask: _Asker) -> tuple[bool, str]:
    reply = ask.chat("Say yes.", logprobs=True, top_logprobs=3, max_tokens=2)
    tops = [_part(reply, "logprobs", "content", 0, "top_logprobs", i, "logprob") for i in range(3)]
    if not all(isinstance(t, int | float) for t in tops):
        return False, f"log-probabilities that are no numbers: {tops!r}"
    words = f"three of the first token: {', '.join(f'{t:.2f}' for t in tops)}"
    return max(tops) <= 0, words


def _prefix_caching(ask: _Asker) -> tuple[bool, str]:
    text = "The history of the study so far: " + "learning_rate 0.001 accuracy 0.91, " * 60
    ask.chat(text, max_tokens=1)
    before = ask.counter("vllm:prefix_cache_hits_total")
    ask.chat(text, max_tokens=1)
    hits = ask.counter("vllm:prefix_cache_hits_total") - before
    return hits > 0, f"{hits:.0f} tokens of a repeated prompt came from the cache"


def _tools(ask: _Asker) -> tuple[bool, str]:
    choice = {"type": "function", "function": {"name": "study_status"}}
    reply = ask.chat(
        "How does it stand?", tools=[_TOOL], tool_choice=choice, max_tokens=ROOM, frequency_penalty=2
    )
    arguments = _parsed(_part(reply, "message", "tool_calls", 0, "function", "arguments"))
    return _part(arguments, "trial") in (1, 2), f"study_status({json.dumps(arguments)})"
