"""How a planner is named: one text for every door, ``ADDRESS;history=NAME;instructions=NAME;referee=NAME``.

Knows nothing of planners. A study file may say the same as a table: ``[planner]`` with ``spec``, ``history``,
``instructions`` and ``referee``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ...prompts.histories.by_name import HistoryName
from ...serving.errors import InvalidInput
from ..referee.by_name import RefereeName
from .paraphrases import Instructions

Engine = Literal["vllm", "llama"]
"""Servers that we start ourselves."""
PLANNER_FORMS = "embedded, http://HOST:PORT/v1[#MODEL], vllm:MODEL, llama:MODEL"
CHOICES = {
    "history": get_args(HistoryName),
    "instructions": get_args(Instructions),
    "referee": get_args(RefereeName),
}


@dataclass(frozen=True)
class PlannerText:
    """An address and what is chosen of the planner there; None is as usual. ``referee``: who judges its proposals.

    Raises InvalidInput.
    """

    address: str
    history: HistoryName | None = None
    instructions: Instructions | None = None
    referee: RefereeName | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise InvalidInput(
                    f"a planner's `{name}` must be one of {', '.join(choices)}, got {value!r}."
                )
        if (self.history or self.instructions) and self.address == "embedded":
            raise InvalidInput(
                "the embedded planner reads numbers and has one instruction: leave out `history` and `instructions`."
            )

    @classmethod
    def read(cls, text: str) -> "PlannerText":
        """Return what a text says."""
        address, *choices = text.split(";")
        pairs: dict[str, Any] = {
            name.strip(): value.strip() for name, _, value in (c.partition("=") for c in choices)
        }
        unknown = pairs.keys() - CHOICES.keys()
        if unknown:
            raise InvalidInput(
                f"a planner has the choices {', '.join(CHOICES)}, not {min(unknown)!r}, in {text!r}; "
                "write ADDRESS;history=NAME;instructions=NAME;referee=NAME."
            )
        return cls(address.strip(), **pairs)

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> "PlannerText":
        """Return what a table with ``spec`` and choices says; inverse of ``to_table``."""
        unknown = table.keys() - {"spec", *CHOICES}
        if unknown:
            raise InvalidInput(f"[planner] knows spec, {', '.join(CHOICES)}, not {min(unknown)!r}.")
        texts = {name: value for name, value in table.items() if isinstance(value, str) and value}
        if texts.keys() != table.keys() or "spec" not in table:
            raise InvalidInput(f"[planner] needs `spec`, and all of it is text, got {dict(table)!r}.")
        base = cls.read(texts.pop("spec"))
        return cls.read(";".join([base.to_text(), *(f"{k}={v}" for k, v in texts.items())]))

    def to_table(self) -> dict[str, str]:
        """Return the same as a table."""
        return {"spec" if k == "address" else k: v for k, v in asdict(self).items() if v is not None}

    @property
    def own_server(self) -> tuple[Engine, str] | None:
        """Engine and model, where the address names a server of our own."""
        engine, sign, model = self.address.partition(":")
        return next(((e, model) for e in get_args(Engine) if e == engine and sign and model), None)

    def to_text(self) -> str:
        """Return the text; inverse of ``read``."""
        options = {k: v for k, v in asdict(self).items() if k != "address" and v is not None}
        return ";".join([self.address, *(f"{k}={v}" for k, v in options.items())])


def referee_of(spec: object) -> RefereeName | None:
    """Return the referee that a planner's text names; None for none, and for a planner that is an object."""
    return PlannerText.read(spec).referee if isinstance(spec, str) else None
