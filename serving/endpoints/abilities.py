"""What a server turned out to take, by what it refused so far: a value that a ledger can keep as text."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ARGUMENTS = {
    "schema": "response_format",
    "n": "n",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
    "logprobs": "logprobs",
    "thinking": "extra_body",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_completion_tokens",
}
"""What a server may refuse, by our name, and the argument that carries it."""
OTHER_FORMS = frozenset({"system", "json_schema"})
"""What a server may refuse and is then sent in another form: the system's role, and OpenAI's way to state a schema."""


@dataclass(frozen=True)
class Abilities:
    """``refused``: what is left out of requests; ``stop_thinking``: whether thinking is switched off by request."""

    refused: frozenset[str] = frozenset()
    stop_thinking: bool = False

    def without(self, names: Iterable[str]) -> "Abilities":
        """Return these abilities less ``names``."""
        return Abilities(self.refused | frozenset(names), self.stop_thinking)

    def joined(self, other: "Abilities") -> "Abilities":
        """Return what is known when two requests learnt at the same time."""
        return Abilities(self.refused | other.refused, self.stop_thinking or other.stop_thinking)

    @classmethod
    def read(cls, text: str) -> "Abilities":
        """Return what ``to_text`` wrote; nothing learnt where it is not that."""
        try:
            plain: Any = json.loads(text or "{}")
            names = OTHER_FORMS | ARGUMENTS.keys()
            return cls(frozenset(plain.get("refused", ())) & names, plain.get("stop_thinking") is True)
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """Return JSON; empty where nothing was learnt."""
        if self == Abilities():
            return ""
        return json.dumps({"refused": sorted(self.refused), "stop_thinking": self.stop_thinking})
