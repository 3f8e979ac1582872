"""What a check found: one line for the person who runs it, one object for a script."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. ``note`` is worth knowing, ``bad`` must be put right; ``cure`` says how."""

    subject: str
    state: State
    detail: str
    cure: str = ""
