"""A study's conversation as it was said: every message, in order, for people and for a restarted session.

The model's own memory is LangGraph's (``chat_model.py``); this is what a reader sees, commands and their answers
included, with a model or without one. Written in the ledger's database; each message leaves an event, so that every
open page shows it.
"""

import json
from collections.abc import Sequence
from typing import Any, get_args

import sqlalchemy as sa

from ...evaluators.spaces.base import shown
from ..ledger import schema
from ..ledger.database import Database
from ..ledger.schema import UNFIT, stored_json
from ..ledger.transaction import change
from .messages import Message, Role

SHOWN = 200
"""Messages that a session shows when it is opened."""


class Transcript:
    """The messages of one study. Thread-safe."""

    def __init__(self, database: Database, study_id: int) -> None:
        self._database, self._study_id = database, study_id

    def add(self, message: Message) -> Message:
        """Keep a message; return it with its time."""
        with change(self._database, self._study_id) as current:
            number = current.event("message", role=message.role)
            data = {"text": message.text, "tool": message.tool, "arguments": dict(message.arguments)}
            row = {"study_id": self._study_id, "number": number, "at": current.now, "role": message.role}
            current.connection.execute(
                schema.messages.insert().values(**row, data=json.dumps(data, default=str))
            )
            return Message(message.role, message.text, message.tool, message.arguments, current.now)

    def newest(self, n: int = SHOWN) -> Sequence[Message]:
        """Return the last ``n`` messages, oldest first."""
        table = schema.messages
        query = (
            sa.select(table)
            .where(table.c.study_id == self._study_id)
            .order_by(table.c.number.desc())
            .limit(n)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_message(row) for row in reversed(rows)]

    def clear(self) -> None:
        """Forget the conversation."""
        with change(self._database, self._study_id) as current:
            current.event("message", role="notice", cleared=True)
            gone = schema.messages.delete().where(schema.messages.c.study_id == self._study_id)
            current.connection.execute(gone)


def _message(row: Any) -> Message:  # Any: a SQLAlchemy row of `trialogue_messages`
    """Return a message; where its row cannot be read, a notice that says so."""
    try:
        message = Message(row.role, at=float(row.at), **stored_json(row.data, strict=False))
        if message.role not in get_args(Role) or not isinstance(message.text, str):
            raise TypeError(f"a message has a role and a text, got {shown(row.role)}")
        dict(message.arguments)
        return message
    except UNFIT as error:
        return Message("notice", f"A message that cannot be read: {str(error)[:200]}")
