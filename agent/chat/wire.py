"""A conversation on the wire: what may be sent of it, and what a model's pieces add up to. Knows no client.

Servers and models differ in how they ask for a tool: without an id, with name and id in every piece, as an object, as
JSON in the text, under a prefixed name. What is kept of an answer is what every server takes back.
"""

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...prompts.json_in_text import values_in
from ...serving.endpoints.chat import Usage
from ...serving.endpoints.replies import completions_of, usage_of
from ...serving.endpoints.thoughts import without_thoughts

_LOST = "Not done: the conversation was interrupted here."
_TAGGED = re.compile(
    r"<\|?(?:tool_call|function_call)\|?>(.*?)(?:<\|?/(?:tool_call|function_call)\|?>|\Z)", re.DOTALL
)
_MAYBE_CALL = re.compile(r"\s*(?:[{\[`]|<\|?(?:tool|func))", re.IGNORECASE)
_MAYBE_MARK = re.compile(r"(?:[<\[◁][^>\]▷]{0,80}|\banalysis.{0,20})\Z", re.DOTALL)


def sendable(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages as strict servers want them.

    Every call of a tool is answered, no answer lacks its call, nobody says nothing, and a person's messages that
    follow each other are one.
    """
    result: list[dict[str, Any]] = []
    waiting: list[str] = []
    for message in map(dict, messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") in waiting:
                waiting.remove(message["tool_call_id"])
                result.append(message)
            continue
        result += [_answered(call) for call in waiting]
        waiting = []
        if message["role"] == "assistant":
            calls = [c for c in message.pop("tool_calls", None) or () if c.get("id")]
            waiting = [c["id"] for c in calls]
            message |= {"tool_calls": calls} if calls else {}
            if not calls and not message.get("content"):
                continue
        if result and message["role"] == result[-1]["role"] == "user":
            result[-1] = {"role": "user", "content": f"{result[-1]['content']}\n\n{message['content']}"}
        else:
            result.append(message)
    return result + [_answered(call) for call in waiting]


def _answered(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": _LOST}


def latest_turn(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the system's words and what follows a person's last message: for servers that refuse the whole."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=0)
    return [m for m in messages[:1] if m["role"] == "system" and last] + list(messages[last:])


@dataclass(frozen=True)
class ToolRequest:
    """A tool that a model asks for."""

    tool: str
    arguments: Mapping[str, Any]
    call_id: str


@dataclass
class _Call:
    call_id: str = ""
    tool: str = ""
    arguments: str = ""


@dataclass
class Reply:
    """A model's answer while it comes. ``tools``: the names it may call. Feed events; then ask what it was."""

    tools: Collection[str]
    _raw: str = ""
    _shown: str = ""
    _calls: list[tuple[Any, _Call]] = field(default_factory=list)
    _last: Mapping[str, Any] = field(default_factory=dict)
    _thought_chars: int = 0
    _ended: bool = False

    @property
    def has_words(self) -> bool:
        """Whether anything was shown by now."""
        return bool(self._shown.strip())

    def feed(self, event: Mapping[str, Any]) -> str:
        """Take in an event; return the words that may be shown by now."""
        self._last = {**self._last, **{k: v for k, v in event.items() if v and k != "choices"}}
        for choice in event.get("choices") or ():
            delta = _delta(choice)
            self._ended |= choice.get("finish_reason") in ("stop", "tool_calls", "eos_token")
            content = delta.get("content")
            self._raw += content if isinstance(content, str) else ""
            apart = delta.get("reasoning_content") or delta.get("reasoning")
            self._thought_chars += len(apart) if isinstance(apart, str) else 0
            for call in delta.get("tool_calls") or ():
                self._take(call)
        return self._newly(_shown_safely(without_thoughts(self._raw)))

    def _take(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function") or {}
        call_id, tool = piece.get("id") or "", function.get("name") or ""
        at = piece.get("index", call_id or len(self._calls))
        current = next((c for key, c in reversed(self._calls) if key == at), None)
        if current is None or (call_id and current.call_id and call_id != current.call_id and tool):
            current = _Call()
            self._calls.append((at, current))
        current.call_id = current.call_id or call_id
        current.tool = current.tool or tool
        arguments = function.get("arguments")
        current.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments or {})

    def _newly(self, text: str) -> str:
        if not text.startswith(self._shown):  # a thought came after words: what follows it is new
            self._shown = ""
        new = text[len(self._shown) :]
        self._shown = text
        return new

    def end(self) -> tuple[str, tuple[ToolRequest, ...]]:
        """Return the words not shown yet, and the tools asked for, in the text too."""
        text = without_thoughts(self._raw)
        calls = [(c.tool, c.arguments, c.call_id) for _, c in self._calls if c.tool]
        if not calls and (calls_in_text := _calls_in(text, self.tools)):
            calls, text = calls_in_text, self._shown
        requests = tuple(
            ToolRequest(_known(t, self.tools), _arguments(a), i or _new_id()) for t, a, i in calls
        )
        rest = self._newly(text)
        if not requests and not text.strip():
            rest = (
                "(The model thought, and said nothing.)"
                if self._thought_chars or self._raw
                else "(The model said nothing.)"
            )
        return rest + ("" if self._ended or requests else " …"), requests

    def usage(self, messages: Sequence[Mapping[str, Any]]) -> Usage:
        """Return the tokens, as counted or estimated."""
        wrote = self._raw + "".join(c.arguments for _, c in self._calls)
        answers = completions_of({"choices": [{"message": {"content": wrote + "." * self._thought_chars}}]})
        return usage_of(self._last, [str(m.get("content") or "") for m in messages], answers)


def _delta(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a choice adds; a whole completion adds everything at once."""
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return choice.get("delta") or {}
    words = {k: v for k, v in message.items() if k not in ("tool_calls", "function_call")}
    (completion,) = completions_of({"choices": [{**choice, "message": words}]})
    return {"content": completion.text, "tool_calls": message.get("tool_calls")}


def _shown_safely(text: str) -> str:
    """Return as much of ``text`` as can be neither a call of a tool nor the beginning of a thought."""
    if _MAYBE_CALL.match(text):
        return ""
    mark = _MAYBE_MARK.search(text)
    return text[: mark.start()] if mark else text


def _calls_in(text: str, tools: Collection[str]) -> list[tuple[str, Any, str]]:
    """Return the calls that a text is, or that stand in it between tags: (tool, arguments, no id)."""
    tagged = _TAGGED.findall(text)
    if not tagged and not _MAYBE_CALL.match(text):
        return []
    try:
        values = [v for part in tagged or [text] for v in values_in(part)]
    except ValueError:
        return []
    items = [i for v in values for i in (v if isinstance(v, list) else [v]) if isinstance(i, Mapping)]
    candidates = [(str(i.get("name")), i.get("arguments", i.get("parameters", {})), "") for i in items]
    return [call for call in candidates if _known(call[0], tools) in tools]


def _known(tool: str, tools: Collection[str]) -> str:
    """Return the name that was meant: `functions.show` is `show`."""
    short = re.split(r"[.:/]", tool)[-1]
    return tool if tool in tools or short not in tools else short


def _arguments(given: Any) -> dict[str, Any]:
    """Return arguments as an object; broken ones under a name that no tool has, so that the model is told."""
    if isinstance(given, Mapping):
        return dict(given)
    if not str(given or "").strip():
        return {}
    try:
        value = values_in(str(given))[-1]
    except (ValueError, IndexError):
        return {"broken_arguments": str(given)}
    return dict(value) if isinstance(value, Mapping) else {"broken_arguments": str(given)}


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:16]}"
