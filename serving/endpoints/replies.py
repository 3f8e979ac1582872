"""A server's reply as completions: JSON in any of the shapes in which servers send an answer, or events unasked for.

Content comes as text, as a list of parts, or as the object itself; the answer may stand in a tool call, or in the
reasoning field alone. Wire format: OpenAI's `/chat/completions`, and how other servers understand it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .chat import Completion, TokenLogprob, Usage
from .thoughts import without_thoughts

_CHARS_PER_TOKEN = 4
"""For servers that count no tokens: a budget must not be free because nobody counts."""


def body_of(text: str) -> Mapping[str, Any]:
    """Return the JSON object that a response's body is, or that its server-sent events add up to. Raises ValueError."""
    text = text.lstrip("\ufeff \t\r\n")
    if re.match(r"(?:data|event|id|retry)?:", text):
        lines = text.splitlines()
        if any(line.startswith("data:") for line in lines):
            return _joined(line.removeprefix("data:").strip() for line in lines if line.startswith("data:"))
        text = "\n".join(line for line in lines if not line.startswith(":"))
    if text.count("\n{") and all(line.startswith("{") for line in text.split("\n") if line.strip()):
        return _joined(text.splitlines())
    body = json.loads(text)
    body = json.loads(body) if isinstance(body, str) else body
    body = body[0] if isinstance(body, list) and len(body) == 1 else body
    if not isinstance(body, Mapping):
        raise ValueError(f"it is not a JSON object but {type(body).__name__}")
    return _as_completion(body)


def _as_completion(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a reply of another protocol, or of a gateway that wraps replies, as a chat completion; errors as errors."""
    if body.get("choices"):
        return body
    inner = body.get("data")
    if isinstance(inner, Mapping) and inner.get("choices"):
        return inner
    if isinstance(message := body.get("message"), Mapping):
        return {**body, "choices": [{"message": message}]}
    parts = body.get("content")
    if body.get("type") == "message" and isinstance(parts, list):
        return {**body, "choices": [{"message": {"content": parts}}]}
    error = body.get("error") or body.get("errors") or body.get("detail")
    return {**body, "error": error} if error else body


def _joined(lines: Iterable[str]) -> Mapping[str, Any]:
    chunks = [json.loads(line) for line in lines if line.strip() and line != "[DONE]"]
    messages: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for chunk in chunks:
        whole |= {k: v for k, v in chunk.items() if k != "choices" and v is not None}
        for choice in chunk.get("choices") or ():
            joined = messages.setdefault(int(choice.get("index") or 0), {"message": {}})
            joined["finish_reason"] = choice.get("finish_reason") or joined.get("finish_reason")
            for name, piece in (choice.get("delta") or choice.get("message") or {}).items():
                if isinstance(piece, str):
                    joined["message"][name] = joined["message"].get(name, "") + piece
    return {**whole, "choices": [messages[i] for i in sorted(messages)]}


def completions_of(body: Mapping[str, Any]) -> list[Completion]:
    """Return the answers in a reply, without their thoughts. Raises ValueError where it has no list of choices."""
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise ValueError("it has no list of choices")
    return [_completion(choice) for choice in choices]


def _completion(choice: Any) -> Completion:
    """Return one answer; raises ValueError where it is none."""
    if not isinstance(choice, Mapping):
        raise ValueError(f"a choice is {choice!r}")
    message = choice.get("message") or choice.get("delta")
    message = message if isinstance(message, Mapping) else {"content": choice.get("text")}
    if message.get("content") is None and isinstance(message.get("parsed"), Mapping):
        message = {**message, "content": message["parsed"]}
    content, thought = _content(message.get("content"))
    text = without_thoughts("\n".join(filter(None, (content, *_called(message)))))
    apart = next((v for v in map(message.get, ("reasoning_content", "reasoning")) if isinstance(v, str)), "")
    thought_chars = len(content) - len(without_thoughts(content)) + len(thought) + len(apart)
    if not text.strip() and _is_json(answer := without_thoughts(apart)):
        text, thought_chars = answer, thought_chars - len(answer)
    reason = choice.get("finish_reason")
    return Completion(text, reason if isinstance(reason, str) else "stop", thought_chars, _logprobs(choice))


def _content(content: object) -> tuple[str, str]:
    """Return the text and the thoughts that ``content`` holds, as far as they stand in parts of their own."""
    if content is None or isinstance(content, str):
        return content or "", ""
    parts: list[Any] = content if isinstance(content, list) else [content]
    if not all(
        isinstance(p, str)
        or (isinstance(p, Mapping) and (isinstance(p.get("type"), str) or isinstance(p.get("text"), str)))
        for p in parts
    ):
        return json.dumps(content), ""
    texts = [p if isinstance(p, str) else str(p.get("text") or "") for p in parts]
    thought = [
        str(v) for p in parts if isinstance(p, Mapping) and (v := p.get("thinking") or p.get("reasoning"))
    ]
    return "".join(texts), "".join(thought)


def _called(message: Mapping[str, Any]) -> list[str]:
    """Return the arguments of calls: nobody offered a tool, so a call of one is the answer in another dress."""
    calls = message.get("tool_calls")
    functions = (
        [c.get("function") for c in calls if isinstance(c, Mapping)] if isinstance(calls, list) else []
    )
    arguments = [
        f.get("arguments") for f in (*functions, message.get("function_call")) if isinstance(f, Mapping)
    ]
    return [a if isinstance(a, str) else json.dumps(a) for a in arguments if a]


def _is_json(text: str) -> bool:
    """Whether a reasoning field holds no reasoning but, as a whole, an answer."""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return tuple(_token(t) for t in content or ())


def _token(token: Mapping[str, Any]) -> TokenLogprob:
    top = {a["token"]: a["logprob"] for a in token.get("top_logprobs") or ()}
    return TokenLogprob(token["token"], token["logprob"], top)


def usage_of(body: Mapping[str, Any], prompt: Sequence[str], answers: Sequence[Completion]) -> Usage:
    """Return the tokens that the server counted; where it says nothing sensible, an estimate from the texts."""
    usage = body.get("usage")
    counts = usage if isinstance(usage, Mapping) else {}
    wrote = _count(counts.get("completion_tokens"))
    read = _count(counts.get("prompt_tokens"))
    if wrote is None:
        wrote = _estimate(len(a.text) + a.thought_chars for a in answers)
    if read is None:
        total = _count(counts.get("total_tokens"))
        read = _estimate(map(len, prompt)) if total is None else max(0, total - wrote)
    return Usage(read, wrote)


def _estimate(lengths: Any) -> int:
    return -(-sum(lengths) // _CHARS_PER_TOKEN)


def _count(value: object) -> int | None:
    """Return a number of tokens as an integer, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
        return None
    return int(value)
