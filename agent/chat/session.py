"""A chat-style study session: commands that need no model, and a model that may use the same commands with approval.

A line that begins with ``/`` is a command and is done at once: who types it has approved it. Anything else goes to the
model; what the model wants run or changed waits for a decision (``auto_approve`` skips that). Without a model, plain
words are answered with what can be done. The transcript and the model's memory stand in the ledger's database, so the
session goes on after a restart, an open request included. One turn at a time: a lock serialises callers. What a caller
may do is in the desk that comes with each turn; nothing of it stays with the session, which all callers share.
"""

import difflib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ...serving.errors import InvalidInput, TrialogueError
from ..verbs.context import Desk
from ..verbs.read import STUDY_VERBS
from ..verbs.verb import Verb, parse
from .messages import Approval, ChatEvent, Message, Pending, Request
from .transcript import Transcript

PENDING_COMMANDS = {
    "yes": "approve what waits",
    "no": "reject what waits; words after it tell the model why",
    "edit": "approve what waits with other arguments: /edit NAME=VALUE…",
}
OWN_COMMANDS = {"help": "what can be done here", "clear": "forget this conversation"} | PENDING_COMMANDS


class Talk(Protocol):
    """A model's side of the session; ``chat_model.AgentTalk`` is one."""

    model_name: str

    @property
    def pending(self) -> Sequence[Request]:
        """What waits for a decision."""
        ...

    def say(self, text: str, desk: Desk) -> Iterator[ChatEvent]:
        """Send words to the model, which works at ``desk`` in this turn."""
        ...

    def decide(self, decisions: Sequence[Approval], desk: Desk) -> Iterator[ChatEvent]:
        """Answer what waits; what is approved is done at ``desk``."""
        ...

    def forget(self) -> None:
        """Start the conversation anew."""
        ...


class ChatSession:
    """The conversation about one study. ``say`` and ``decide`` yield what happens, as it happens; what is done in
    their turn is done at the ``desk`` they are given, with its caller's rights."""

    def __init__(
        self,
        transcript: Transcript,
        *,
        talk: Talk | None = None,
        auto_approve: bool = False,
        verbs: Sequence[Verb] = STUDY_VERBS,
    ) -> None:
        self.transcript, self._talk, self._auto = transcript, talk, auto_approve
        self.verbs = verbs
        self._turn = threading.Lock()
        self._done_meanwhile: list[str] = []

    @property
    def model_name(self) -> str | None:
        """The model that answers, or None."""
        return self._talk.model_name if self._talk else None

    @property
    def pending(self) -> Sequence[Request]:
        """What waits for a decision."""
        return self._talk.pending if self._talk else ()

    def say(self, text: str, desk: Desk) -> Iterator[ChatEvent]:
        """Take one line from a person."""
        with self._turn:
            yield self.transcript.add(Message("user", text))
            if text.startswith("/"):
                yield from self._command(text[1:], desk)
            elif self._talk is None:
                yield self._keep(Message("notice", NO_MODEL))
            else:
                yield from self._guarded(self._talk.say(self._with_context(text), desk), desk)

    def decide(self, decisions: Sequence[Approval], desk: Desk) -> Iterator[ChatEvent]:
        """Take a person's word on everything that waits, in order."""
        with self._turn:
            waiting = self.pending
            if self._talk is None or not waiting:
                raise InvalidInput("Nothing waits for a decision.")
            if len(decisions) != len(waiting):
                raise InvalidInput(
                    f"{len(waiting)} requests wait, got {len(decisions)} decisions; give one for each."
                )
            for decision, request in zip(decisions, waiting, strict=True):
                word = {"approve": "Approved", "edit": "Approved with changes", "reject": "Rejected"}[
                    decision.type
                ]
                arguments = decision.arguments if decision.type == "edit" else request.arguments
                why = f": {decision.message}" if decision.message else ""
                yield self._keep(Message("notice", f"{word}: {request.verb} {shown(arguments or {})}{why}"))
            yield from self._guarded(self._talk.decide(decisions, desk), desk)

    def clear(self) -> None:
        """Forget the conversation, the model's memory included."""
        with self._turn:
            self.transcript.clear()
            if self._talk:
                self._talk.forget()

    def _guarded(self, events: Iterator[ChatEvent], desk: Desk) -> Iterator[ChatEvent]:
        """Keep whole messages, and turn a model that fails into a notice: the session goes on."""
        try:
            for event in events:
                if isinstance(event, Message):
                    yield self._keep(event)
                elif isinstance(event, Pending) and self._auto and self._talk:
                    approved = [Approval("approve")] * len(event.pending)
                    yield from self._guarded(self._talk.decide(approved, desk), desk)
                else:
                    yield event
        except TrialogueError as error:
            yield self._keep(Message("notice", str(error)))

    def _command(self, line: str, desk: Desk) -> Iterator[ChatEvent]:
        name, _, rest = line.strip().partition(" ")
        try:
            if name in OWN_COMMANDS:
                yield from self._own(name, rest.strip(), desk)
                return
            verb = verb_named(name, self.verbs)
            arguments = parse(verb, rest)
            answer = verb.function(desk, **arguments)
        except TrialogueError as error:
            yield self._keep(Message("notice", str(error)))
            return
        self._done_meanwhile.append(f"/{line.strip()} -> {answer.text[:600]}")
        yield self._keep(Message("assistant", answer.text))

    def _own(self, name: str, rest: str, desk: Desk) -> Iterator[ChatEvent]:
        if name == "help":
            yield self._keep(Message("assistant", help_text(self.verbs, rest)))
        elif name == "clear":
            self.transcript.clear()
            if self._talk:
                self._talk.forget()
            yield Message("notice", "This conversation is forgotten; the study is as it was.")
        else:
            yield from self._answer_pending(name, rest, desk)

    def _answer_pending(self, name: str, rest: str, desk: Desk) -> Iterator[ChatEvent]:
        waiting = self.pending
        if self._talk is None or not waiting:
            raise InvalidInput("Nothing waits for a decision.")
        decision = Approval("approve")
        if name == "no":
            decision = Approval("reject", message=rest)
        elif name == "edit":
            if len(waiting) > 1:
                raise InvalidInput(
                    "Several requests wait; /edit works on one. Answer /no and ask for one thing."
                )
            verb = verb_named(waiting[0].verb, self.verbs)
            decision = Approval("edit", {**waiting[0].arguments, **parse(verb, rest, partial=True)})
        yield from self._guarded(self._talk.decide([decision] * len(waiting), desk), desk)

    def _with_context(self, text: str) -> str:
        """Tell the model which commands the person ran since it last spoke."""
        if not self._done_meanwhile:
            return text
        done = "\n".join(self._done_meanwhile[-8:])
        self._done_meanwhile.clear()
        return f"[Meanwhile the user ran these commands:\n{done}]\n\n{text}"

    def _keep(self, message: Message) -> Message:
        return self.transcript.add(message)


NO_MODEL = (
    "No chat model is set, so I understand commands only. Try `/show`, `/ask`, `/help`. A model is set with "
    "`trialogue chat --model URL` or `trialogue serve --chat-model URL` (any OpenAI-compatible endpoint)."
)


def verb_named(name: str, verbs: Sequence[Verb]) -> Verb:
    """Return a verb. Raises InvalidInput with the nearest name."""
    match = next((v for v in verbs if v.name == name), None)
    if match:
        return match
    near = difflib.get_close_matches(name, [*(v.name for v in verbs), *OWN_COMMANDS], 1)
    hint = f" Did you mean `/{near[0]}`?" if near else ""
    raise InvalidInput(f"There is no command `/{name}`.{hint} `/help` lists them.")


def commands(verbs: Sequence[Verb] = STUDY_VERBS) -> list[tuple[str, str, str]]:
    """Return (name, usage, help) of every command, for completion."""
    return [(v.name, v.usage, v.help) for v in verbs] + [(n, f"/{n}", h) for n, h in OWN_COMMANDS.items()]


def help_text(verbs: Sequence[Verb], about: str = "") -> str:
    """Return the help, of all commands or of one."""
    if about:
        verb = verb_named(about.lstrip("/"), verbs)
        return f"`{verb.usage}`\n\n{verb.function.__doc__ or ''}"
    lines = [f"- `{usage}` {help_}" for _, usage, help_ in commands(verbs)]
    return "Commands work with and without a model:\n" + "\n".join(lines)


def shown(arguments: Mapping[str, Any]) -> str:
    """Return arguments on one line."""
    return " ".join(f"{k}={v}" for k, v in arguments.items())
