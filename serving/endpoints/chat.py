"""What is said to a chat model and what comes back, as values; and the protocol of anything that completes chats.

Knows nothing of trials, spaces or prompts. Wire format: OpenAI's `/chat/completions`, as most servers speak it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from .abilities import Abilities


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn: ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """One request for ``n`` independent completions.

    ``schema``: JSON schema the content must obey (structured output), sent where the server supports it.
    ``top_logprobs``: 0, or how many alternatives to return for each token. ``seed``: for servers that repeat.
    """

    messages: tuple[ChatMessage, ...]
    n: int = 1
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 2048
    seed: int | None = None
    top_logprobs: int = 0

    def hash(self, model: str) -> str:
        """Return 32 hexadecimal digits that stand for this request to ``model``; equal requests have equal hashes."""
        text = json.dumps([model, asdict(self)], sort_keys=True, ensure_ascii=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token, its log-probability and the most likely alternatives (text to log-probability)."""

    token: str
    logprob: float
    top: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. ``text`` is without the model's thinking; ``thought_chars``: how much was stripped."""

    text: str
    finish_reason: str = "stop"
    thought_chars: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them, over all attempts that were answered, and how many HTTP requests were sent."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
        )


@dataclass(frozen=True)
class ChatAnswer:
    """The completions of one request (possibly fewer than asked for, never none), and what they cost.

    ``structured``: whether the server was made to obey the schema.
    """

    completions: tuple[Completion, ...]
    usage: Usage
    model: str
    prompt_hash: str
    latency_s: float
    replayed: bool = False
    notes: tuple[str, ...] = ()
    structured: bool = True


class ChatEndpoint(Protocol):
    """Completes chats. Safe to call from several threads.

    ``complete`` raises EndpointUnreachable, EndpointRefused or EndpointTimeout and nothing else, not later than
    ``deadline_s`` after the call.
    """

    @property
    def address(self) -> str:
        """Where the server is and which model was asked of it, the same all the time: what is known of both is kept
        under this text. May hold a password that stands in the URL."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the server knows it; ``"unknown"`` while it has not been asked. Never asks."""
        ...

    def identify(self, *, deadline_s: float) -> str:
        """Return the model's name, asking the server where necessary; raises as ``complete`` does."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether everything sent stays on this machine."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What was learnt about the server so far."""
        ...

    def recall(self, abilities: Abilities) -> None:
        """Take in what was learnt about this server and model at another time."""
        ...

    def complete(self, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Return the completions."""
        ...
