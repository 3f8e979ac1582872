"""What happens in a chat session, as values: words, whole messages, and requests for approval. Knows no model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Role = Literal["user", "assistant", "tool", "notice"]


@dataclass(frozen=True)
class Message:
    """One whole message. ``tool`` and ``arguments``: which verb spoke, and what it was given. ``at``: unix seconds."""

    role: Role
    text: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True)
class Token:
    """A piece of a message that is being written."""

    text: str


@dataclass(frozen=True)
class Request:
    """A verb with its arguments that waits for a person's word."""

    verb: str
    arguments: Mapping[str, Any]
    description: str = ""


@dataclass(frozen=True)
class Pending:
    """The session waits: each request needs a decision, in order."""

    pending: tuple[Request, ...]


@dataclass(frozen=True)
class Approval:
    """A person's word on a request: approve it, approve it with other arguments, or reject it with a message."""

    type: Literal["approve", "edit", "reject"]
    arguments: Mapping[str, Any] | None = None
    message: str = ""


ChatEvent = Message | Token | Pending


def event_name(event: ChatEvent) -> str:
    """Return the name under which an event goes over the wire."""
    return type(event).__name__.lower()


def event_data(event: ChatEvent) -> dict[str, Any]:
    """Return an event as JSON values."""
    return asdict(event)
