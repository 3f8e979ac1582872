"""How servers say that they do not take a request, and which part of it they mean."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import EndpointRefused
from .redaction import hide_secrets, shorten
from .requests import sent

_LONGEST = 2_000
"""Characters of a refusal that are searched: some servers send the whole request back."""

_WORDS = {
    "schema": r"response_format|json_schema|json_object|json mode|guided|grammar|structured|\bschema",
    "n": r"(?<!\w)n(?!\w)|completion choice|number of (?:choices|completions)|multiple (?:choices|completions)",
    "system": r"\bsystem\b.{0,9}(?:role|message|prompt|instruction)|role.{0,20}\bsystem\b|roles must alternate",
    "thinking": r"enable_thinking|chat_template_kwargs|extra_body",
    "max_tokens": r"max_tokens|max_completion_tokens|max_new_tokens",
    "max_completion_tokens": r"max_tokens|max_completion_tokens|max_new_tokens",
    "logprobs": r"logprobs",
    "temperature": r"temperature",
    "top_p": r"top_p",
    "seed": r"\bseed\b",
}
_OVERFLOW = re.compile(r"context length|maximum context|context_length|context size|context window")
_NAMING = (400, 403, 404, 405, 406, 415, 422, 424, 500, 501, 503)
"""Statuses with which servers refuse a part of a request and name it."""
_ABOUT_OPTIONS = re.compile(r"parameter|argument|support|capab|feature|option")


class Refusal(EndpointRefused):
    """The server answered with a status, or with an error in place of a completion. ``words``: all it said."""

    def __init__(self, status: int, words: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.words, self.retry_after_s = status, words, retry_after_s

    @classmethod
    def of(
        cls,
        shown: str,
        status: int,
        text: str,
        secrets: Sequence[str] = (),
        *,
        retry_after_s: float | None = None,
    ) -> "Refusal":
        """Return the refusal that a response's ``text`` is; ``shown``: the server's address as errors may name it."""
        message = shorten(hide_secrets(said_in(text), secrets), 300)
        return cls(status, words_of(text), f"{shown} answered {status}: {message}", retry_after_s)

    @property
    def is_about_the_request(self) -> bool:
        """Whether another request might be taken: not where the key is wrong, or the server busy or broken."""
        return self.status in (400, 404, 405, 413, 415, 422, 500, 501)

    def names(self, words: Mapping[str, str]) -> set[str]:
        """Return the keys of ``words`` whose pattern stands in what was said."""
        text = self.words[:_LONGEST].lower()
        return {
            name for name, pattern in words.items() if self.is_about_the_request and re.search(pattern, text)
        }

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in (408, 409, 425, 429, 500) or self.status > 501

    def refused(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return which part of ``options`` the words speak of first, by our name; nothing where they name none."""
        text = self.words[:_LONGEST].lower()
        if self.status not in _NAMING or _OVERFLOW.search(text):
            return frozenset()
        positions = {
            name: m.start() for name in sent(options) if (m := re.search(_WORDS[name], text, re.DOTALL))
        }
        if not positions:
            return frozenset()
        first = min(positions, key=lambda name: (positions[name], name))
        as_openai = options.get("response_format", {}).get("type") == "json_schema"
        return frozenset(
            {"json_schema" if first == "schema" and as_openai and "json_object" in text else first}
        )

    def suspected(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return what to try without where nothing is named: the schema, the most demanding part; then all else."""
        text = self.words.lower()
        if self.status not in (400, 404, 405, 415, 422, 500, 501) or _OVERFLOW.search(text):
            return frozenset()
        if self.status in (404, 405) and not _ABOUT_OPTIONS.search(text):
            return frozenset()  # no such path, or no such model
        here = sent(options)
        if "schema" in here:
            return frozenset({"schema"})
        return (
            frozenset() if self.status == 500 else frozenset(here - {"max_tokens", "max_completion_tokens"})
        )


def words_of(text: str) -> str:
    """Return everything that an error's body says, its keys included, as one text."""
    try:
        return " ".join(_leaves(json.loads(text)))
    except (ValueError, RecursionError):
        return text


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def said_in(text: str) -> str:
    """Return an error body's message for a person; where it has none of the usual ones, all that it says."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    body = body if isinstance(body, Mapping) else {}
    inner = body.get("error")
    candidates = (
        inner.get("message") if isinstance(inner, Mapping) else inner,
        body.get("message"),
        body.get("detail"),
    )
    return next((c for c in candidates if isinstance(c, str) and c), words_of(text))
