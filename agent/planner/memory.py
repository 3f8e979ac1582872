"""What a planner wants to be given again of one study: text that the ledger keeps, as a value.

A planner itself remembers nothing of a study, so that it can be shared and a resumed study goes on the same way.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PlannerMemory:
    """``at``: after how many trials the model was asked what it knows, None never; ``said``: its words.

    ``choices``: whether a server let values through that lie outside the space, so that numbers are choices for it.
    ``shortenings``: how often the history in the prompt had to be cut to a third to fit the server's context.
    ``abilities``: what the server of ``endpoint`` (base URL and model) turned out to take, as text.
    """

    at: int | None = None
    said: str = ""
    shortenings: int = 0
    endpoint: str = ""
    abilities: str = ""
    choices: bool = False

    @classmethod
    def read(cls, text: str) -> "PlannerMemory":
        """Return what ``to_text`` wrote; nothing where it is not that."""
        try:
            plain: Any = json.loads(text or "{}")
            at = plain.get("at")
            at = None if at is None else int(at)
            texts = {name: str(plain.get(name, "")) for name in ("said", "endpoint", "abilities")}
            choices = plain.get("choices") is True
            return cls(at, shortenings=int(plain.get("shortenings", 0)), choices=choices, **texts)
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """Return JSON for ``PlanAnswer.memory``."""
        return json.dumps(asdict(self))
