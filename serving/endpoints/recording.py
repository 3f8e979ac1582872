"""Recorded calls: what an endpoint answered, keyed by the hash of what it was asked, replayed bit for bit, offline.

A recording is a JSON-lines file. Failures are recorded too (a timeout decides a study's course as an answer does).
Where one request was made several times, its answers are replayed in order and the last one from then on.
Holds prompts' hashes and the model's answers, never a key and never the prompt itself.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from ..errors import EndpointRefused, EndpointTimeout, EndpointUnreachable, ServingError
from .abilities import Abilities
from .chat import ChatAnswer, ChatEndpoint, ChatRequest, Completion, TokenLogprob, Usage

_ERRORS = {e.__name__: e for e in (EndpointRefused, EndpointTimeout, EndpointUnreachable)}


class RecordedEndpoint:
    """An endpoint whose calls are kept in a file.

    ``mode``: ``"replay"`` never calls (an unknown request is EndpointUnreachable), ``"record"`` always calls and
    appends, ``"auto"`` replays what is known and records the rest. ``endpoint`` may be None for ``"replay"``.
    """

    def __init__(
        self,
        path: str | Path,
        endpoint: ChatEndpoint | None = None,
        *,
        mode: Literal["auto", "record", "replay"] = "auto",
        model: str | None = None,
    ) -> None:
        self._path, self._endpoint, self._mode = Path(path), endpoint, mode
        self._lock = threading.Lock()
        self._answers: dict[str, list[Mapping[str, Any]]] = {}
        self._next: dict[str, int] = {}
        self._model = model
        if self._path.exists() and mode != "record":
            for line in self._path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._answers.setdefault(entry["key"], []).append(entry)
                self._model = self._model or entry["model"]

    @property
    def address(self) -> str:
        """The live endpoint's; without one, the recorded model's name."""
        return f"#{self._model or 'recorded'}" if self._endpoint is None else self._endpoint.address

    @property
    def model(self) -> str:
        """The recorded model's name, or the live endpoint's."""
        return self._model or ("unknown" if self._endpoint is None else self._endpoint.model)

    def identify(self, *, deadline_s: float) -> str:
        """Return the recorded model's name, else ask the live endpoint."""
        if self._model is None:
            self._model = (
                "recorded" if self._endpoint is None else self._endpoint.identify(deadline_s=deadline_s)
            )
        return self._model

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine."""
        return self._endpoint is None or self._endpoint.is_local

    @property
    def abilities(self) -> Abilities:
        """What was learnt about the live server; nothing where there is none."""
        return Abilities() if self._endpoint is None else self._endpoint.abilities

    def recall(self, abilities: Abilities) -> None:
        """Tell the live server's client what was learnt at another time."""
        if self._endpoint is not None:
            self._endpoint.recall(abilities)

    def complete(self, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Return the recorded answer, or the live one and record it."""
        started = time.monotonic()
        key = request.hash(self.identify(deadline_s=deadline_s))
        deadline_s -= time.monotonic() - started
        record = self._recorded(key)
        if record is not None:
            return _answer_of(record)
        if self._mode == "replay" or self._endpoint is None:
            raise EndpointUnreachable(
                f"the recording has no answer for request {key!r}; the study differs from the recorded one, "
                "or record it again with mode='auto' and an endpoint."
            )
        try:
            answer = self._endpoint.complete(request, deadline_s=deadline_s)
        except ServingError as error:
            self._append(
                {"key": key, "model": self.model, "error": type(error).__name__, "message": str(error)}
            )
            raise
        self._append({"key": key, "model": self.model, "answer": asdict(answer)})
        return answer

    def _recorded(self, key: str) -> Mapping[str, Any] | None:
        with self._lock:
            entries = self._answers.get(key)
            if not entries:
                return None
            at = self._next.get(key, 0)
            self._next[key] = at + 1
            return entries[min(at, len(entries) - 1)]

    def _append(self, entry: Mapping[str, Any]) -> None:
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=True) + "\n")


def _answer_of(entry: Mapping[str, Any]) -> ChatAnswer:
    if "error" in entry:
        raise _ERRORS.get(entry["error"], EndpointRefused)(entry["message"])
    answer = entry["answer"]
    completions = tuple(
        Completion(
            c["text"], c["finish_reason"], c["thought_chars"], tuple(TokenLogprob(**t) for t in c["logprobs"])
        )
        for c in answer["completions"]
    )
    return ChatAnswer(
        completions,
        Usage(**answer["usage"]),
        answer["model"],
        answer["prompt_hash"],
        answer["latency_s"],
        replayed=True,
        notes=tuple(answer["notes"]),
        structured=answer["structured"],
    )
