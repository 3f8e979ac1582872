"""Where a chat session's model is, what it is told first, and where its memory stands.

Any OpenAI-compatible endpoint: a base URL, the model after ``#``, else from TRIALOGUE_MODEL, else the only one it has.
The key comes from the argument or OPENAI_API_KEY and is sent nowhere else. Memory: LangGraph's checkpointers, in the
ledger's own database (SQLite or PostgreSQL), in memory for a ledger in memory.
"""

import os
import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from ...serving.endpoints.client import OpenAIClient
from ...serving.errors import InvalidInput
from ..study.study import Study
from .served import ServedChat

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Endpoint:
    """A chat model behind a base URL."""

    base_url: str
    name: str
    api_key: str | None = None
    stream: bool = True

    @classmethod
    def at(cls, url: str, *, api_key: str | None = None, stream: bool = True) -> "Endpoint":
        """Return the endpoint that ``BASE_URL#MODEL`` names. Raises InvalidInput, ServingError."""
        base_url, _, model = url.partition("#")
        if not base_url.startswith(("http://", "https://")):
            raise InvalidInput(f"a chat model is a URL such as http://127.0.0.1:8000/v1#MODEL, got {url!r}.")
        key = api_key or os.environ.get("OPENAI_API_KEY")
        name = (
            model
            or os.environ.get("TRIALOGUE_MODEL")
            or OpenAIClient(base_url, api_key=key).identify(deadline_s=10.0)
        )
        return cls(base_url, name, key, stream)

    def chat_model(self) -> BaseChatModel:
        """Return LangChain's model of this endpoint."""
        key = SecretStr(self.api_key) if self.api_key else None
        return ServedChat(
            base_url=self.base_url,
            name=self.name,
            api_key=key,
            timeout_s=TIMEOUT_S,
            disable_streaming=not self.stream,
        )


@dataclass
class Checkpoints:
    """A conversation's memory and how to close it."""

    saver: BaseCheckpointSaver[Any]
    connection: Any = None

    def close(self) -> None:
        """Close the connection, where there is one."""
        if self.connection is not None:
            self.connection.close()


def checkpoints_for(url: str) -> Checkpoints:
    """Return the memory that belongs to a ledger's database. Raises InvalidInput when its driver is missing."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgres(parsed)
    if not parsed.database:
        return Checkpoints(InMemorySaver())
    from langgraph.checkpoint.sqlite import SqliteSaver

    connection = sqlite3.connect(parsed.database, check_same_thread=False, timeout=30.0)
    saver = SqliteSaver(connection)
    saver.setup()
    return Checkpoints(saver, connection)


def _postgres(url: sa.URL) -> Checkpoints:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
    except ImportError:
        raise InvalidInput(
            "a chat's memory in PostgreSQL needs the extra: pip install 'trialogue[pg]'."
        ) from None
    from psycopg.rows import dict_row

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    rows: Any = dict_row  # Any: psycopg's own factory is typed for rows of Any
    connection = psycopg.connect(plain, autocommit=True, prepare_threshold=0, row_factory=rows)
    saver = PostgresSaver(connection)  # pyright: ignore[reportArgumentType] - dict rows, as its manual says
    saver.setup()
    return Checkpoints(saver, connection)


def system_prompt(study: Study) -> str:
    """Return what the model is told about its task and the study."""
    text = files("trialogue.prompts").joinpath("templates", "chat_system.txt").read_text("utf-8")
    problem = study.problem
    goals = ", ".join(f"{o.direction} {o.name}{f' ({o.unit})' if o.unit else ''}" for o in problem.objectives)
    limits = ", ".join(f"{c.name} in [{c.lower}, {c.upper}]" for c in problem.constraints) or "none"
    return text.format(
        name=study.name,
        goals=goals,
        limits=limits,
        parameters=", ".join(problem.space.names),
        description=problem.description or "none was given",
    )
