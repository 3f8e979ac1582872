"""The chat sessions of a server: one per study, shared by everyone who may see it; each turn has its caller's desk.

Sessions run no evaluation: a verb that runs trials lets workers run them. The model, if there is one, is the
operator's; LangChain is imported on first use. Its memory stands in the ledger's database.
"""

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from ...agent.chat.session import ChatSession
from ...agent.chat.transcript import Transcript
from ...agent.contracts import CallRecord
from ...agent.ledger.allowance import Allowance
from ...agent.study.study import Study
from ...agent.verbs.context import Desk
from ...agent.verbs.read import STUDY_VERBS
from ...serving.errors import InvalidInput
from ..http.rights import Caller
from ..reports.drawing import draw
from .open_studies import Shelf

OPEN = 100
"""Sessions held in memory; one that was put away comes back from the database."""


class ChatRooms:
    """The sessions of one server. Thread-safe; each session takes one turn at a time."""

    def __init__(
        self, shelf: Shelf, *, model_url: str | None = None, api_key: str | None = None, stream: bool = True
    ) -> None:
        self._shelf, self._url, self._api_key, self._stream = shelf, model_url, api_key, stream
        self._rooms: OrderedDict[str, tuple[Study, ChatSession]] = OrderedDict()
        self._lock = threading.Lock()
        self._model: Any = None
        self._checkpoints: Any = None

    @property
    def model_name(self) -> str | None:
        """The chat model as the operator named it, or None."""
        return self._url

    def room(self, name: str) -> ChatSession:
        """Return the session of a study. Raises StudyNotFound."""
        study = self._shelf.study(name)
        with self._lock:
            owner, session = self._rooms.get(name, (None, None))
            if session is None or owner is not study:
                session = self._opened(study)
                self._rooms[name] = study, session
            self._rooms.move_to_end(name)
            while len(self._rooms) > OPEN:
                self._rooms.popitem(last=False)
            return session

    def desk(self, name: str, caller: Caller, allowance: Allowance | None = None) -> Desk:
        """Return where one turn of this caller works: at this study, reaching only studies that the caller may see."""
        study = self._shelf.study(name)
        desk = Desk(
            study.ledger,
            study,
            figure=draw,
            report=_where_the_report_is,
            may_see=caller.sees,
            allowance=allowance,
        )

        def stay(made: Study) -> None:
            self._shelf.adopt(made)
            desk.current = study

        desk.changed = stay
        return desk

    def close(self) -> None:
        """Close the model's memory."""
        if self._checkpoints is not None:
            self._checkpoints.close()

    def _opened(self, study: Study) -> ChatSession:
        transcript = Transcript(study.ledger.database, study.stored.study_id)
        return ChatSession(transcript, talk=self._talk(study) if self._url else None, verbs=STUDY_VERBS)

    def _talk(self, study: Study) -> Any:
        from ...agent.chat.endpoint import Endpoint, checkpoints_for, system_prompt
        from ...agent.chat.model import AgentTalk

        assert self._url is not None
        if self._model is None:
            self._model = Endpoint.at(self._url, api_key=self._api_key, stream=self._stream)
            self._checkpoints = checkpoints_for(study.ledger.url)
        return AgentTalk(
            self._model.chat_model(),
            STUDY_VERBS,
            model_name=self._model.name,
            system_prompt=system_prompt(study),
            account=account_of(study),
            checkpoints=self._checkpoints.saver,
            thread=f"study-{study.stored.study_id}",
        )


def account_of(study: Study) -> Any:
    """Return where a conversation about this study writes its tokens."""
    from ...agent.chat.model import ChatAccount

    def record(call: CallRecord, desk: Desk) -> None:
        study.record_calls([replace(call, purpose="chat")], desk.allowance)

    def tokens_left() -> int | None:
        if study.budget.model_exhausted_by(study.spent):
            return 0
        return None if study.budget.tokens is None else study.budget.tokens - study.spent.tokens

    return ChatAccount(record, tokens_left)


def _where_the_report_is(study: Study) -> str:
    if not study.trials:
        raise InvalidInput("There is nothing to report yet.")
    return f"the button “Report” of this page (`GET v1/studies/{study.name}/report`)"
