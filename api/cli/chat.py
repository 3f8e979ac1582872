"""``trialogue chat``: a study session in a terminal or a pipe, with a model or with commands alone.

In a terminal: line editing, history and completion (prompt_toolkit). In a pipe: one line per turn, plain text out, and
exit code 2 after the first refused command with ``--strict``. An evaluator runs here only when a file names one on this
command line; a script's ``--help`` is run only after a yes at this terminal.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...agent.chat.messages import Message
from ...serving.errors import InvalidInput
from ..options import DEFAULT_STORAGE, Storage

HELP_TIMEOUT_S = 20
Ask = Callable[[str], bool]


def chat(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="The study to work on.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    model: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="TRIALOGUE_CHAT_MODEL", help="Chat model: BASE_URL#MODEL."),
    ] = None,
    evaluator: Annotated[
        Path | None, typer.Option(metavar="STUDY.toml", help="Run trials here with this file's evaluator.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve everything the model wants to do.")
    ] = False,
    stream: Annotated[
        bool,
        typer.Option("--stream/--no-stream", help="Let the model stream; some servers stream tools wrongly."),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="End with code 2 when a line is refused.")] = False,
) -> None:
    """Work on a study in a chat-style session. Without a model, commands that begin with / do the same; see /help.

    With no STUDY the session begins with /studies, /draft and /create.
    """
    session = open_session(study, storage, model=model, evaluator=evaluator, yes=yes, stream=stream)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    lines = _edited(session) if interactive else (line.rstrip("\n") for line in sys.stdin)
    confirm = _confirm if interactive else _never
    refused = converse(
        session, lines, show=_shower(interactive), confirm=confirm, survives_interrupts=interactive
    )
    if strict and refused:
        raise typer.Exit(2)


def open_session(
    study: str | None,
    storage: str,
    *,
    model: str | None,
    evaluator: Path | None,
    yes: bool,
    stream: bool = True,
) -> "Sessions":
    """Return the session of a study, or one in which none is open yet. Raises StudyNotFound, InvalidSpecification."""
    from ...agent.ledger.ledger import Ledger
    from ..study_files.study_file import read_specification

    ledger = Ledger(storage)
    specification = None if evaluator is None else read_specification(evaluator)
    if specification is not None and (study is None or not ledger.has(study)):
        study = replace(specification, name=study or specification.name).open(ledger).name
    evaluate = None if specification is None else specification.evaluate
    return Sessions(ledger, study, evaluate, model, yes, stream=stream)


class Sessions:
    """The session at this terminal: it follows the study that is open, and each study has a conversation of its own."""

    def __init__(
        self,
        ledger: Any,
        study: str | None,
        evaluate: Any,
        model: str | None,
        yes: bool,
        *,
        stream: bool = True,
    ) -> None:
        from ...agent.study.study import Study
        from ...agent.verbs.context import Desk
        from ..reports.drawing import draw

        self._ledger, self._model, self._yes, self._stream = ledger, model, yes, stream
        self.desk = Desk(ledger, evaluate=evaluate, figure=draw, report=_write_report, create=self._create)
        self.desk.changed = lambda _: setattr(self, "_stale", True)
        self._stale, self._session = True, None
        self._endpoint: Any = None
        self._checkpoints: Any = None
        if study is not None:
            self.desk.current = Study.load(study, storage=ledger)

    @property
    def verbs(self) -> Any:
        """What can be done here."""
        from ...agent.verbs.read import LEDGER_VERBS, STUDY_VERBS

        return (*STUDY_VERBS, *LEDGER_VERBS)

    @property
    def prompt(self) -> str:
        """What stands before a line."""
        return f"{self.desk.current.name if self.desk.current else 'trialogue'}> "

    @property
    def current(self) -> Any:
        """The session of the open study; one whose transcript is kept nowhere while none is open."""
        from ...agent.chat.session import ChatSession
        from ...agent.chat.transcript import Transcript

        if self._stale or self._session is None:
            study = self.desk.current
            evaluate: Any = (
                _Unkept() if study is None else Transcript(study.ledger.database, study.stored.study_id)
            )
            talk = None if study is None or self._model is None else self._talk(study)
            self._session = ChatSession(evaluate, talk=talk, auto_approve=self._yes, verbs=self.verbs)
            self._stale = False
        return self._session

    def close(self) -> None:
        """Close the model's memory."""
        if self._checkpoints is not None:
            self._checkpoints.close()

    def _talk(self, study: Any) -> Any:
        from ...agent.chat.endpoint import Endpoint, checkpoints_for, system_prompt
        from ...agent.chat.model import AgentTalk
        from ..service.chats import account_of

        if self._endpoint is None:
            self._endpoint = Endpoint.at(self._model or "", stream=self._stream)
            self._checkpoints = checkpoints_for(self._ledger.url)
        return AgentTalk(
            self._endpoint.chat_model(),
            self.verbs,
            model_name=self._endpoint.name,
            system_prompt=system_prompt(study),
            account=account_of(study),
            checkpoints=self._checkpoints.saver,
            thread=f"study-{study.stored.study_id}",
            approval=not self._yes,
        )

    def _create(self, text: str) -> Any:
        from ..study_files.study_file import parse_specification, read_specification

        path = Path(text.strip())
        if "\n" in text or path.suffix != ".toml":
            return parse_specification(text).open(self._ledger)
        specification = read_specification(path)  # a file of this machine: its evaluator is this session's
        self.desk.evaluate = specification.evaluate
        return specification.open(self._ledger)


class _Unkept:
    """A transcript that is kept nowhere: no study is open to keep it with."""

    def add(self, message: Any) -> Any:
        """Return the message."""
        return message

    def newest(self, n: int = 0) -> list[Any]:
        """Return nothing."""
        return []

    def clear(self) -> None:
        """Forget nothing."""


_INTERRUPTED = Message(
    "notice", "Interrupted; the session goes on. `/trials` shows what became of running trials."
)


def converse(
    sessions: Sessions,
    lines: Iterable[str],
    *,
    show: Callable[[Any], None],
    confirm: Ask,
    survives_interrupts: bool = False,
) -> int:
    """Take lines until they end or one says ``/quit``; return how many were refused.

    ``survives_interrupts``: Ctrl-C ends what a line does (trials that ran are failed with that reason) and not the session.
    """
    refused = 0
    for text in _joined(lines):
        if text in ("/quit", "/exit"):
            break
        if text.startswith("/help-of "):
            text = "/draft " + _help_of(text.removeprefix("/help-of "), confirm)
        try:
            for event in sessions.current.say(text, sessions.desk):
                show(event)
                refused += getattr(event, "role", "") == "notice" and text.startswith("/")
        except KeyboardInterrupt:
            if not survives_interrupts:
                raise
            show(_INTERRUPTED)
    sessions.close()
    return refused


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Yield what was typed, without empty lines; a line that ends in a backslash goes on in the next."""
    parts: list[str] = []
    for line in lines:
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        text = "\n".join([*parts, line]).strip()
        parts.clear()
        if text:
            yield text


def _help_of(command: str, confirm: Ask) -> str:
    """Return what a script says of its options: run here, on this terminal's word, and never for a service."""
    words = [*shlex.split(command), "--help"]
    if not confirm(f"Run {shlex.join(words)!r} here"):
        raise InvalidInput(
            "`/help-of` runs the script with --help, which needs a yes at a terminal; paste its text to /draft."
        )
    done = subprocess.run(words, capture_output=True, text=True, timeout=HELP_TIMEOUT_S, check=False)
    return done.stdout or done.stderr


def _shower(interactive: bool) -> Callable[[Any], None]:
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.text import Text

    console = Console(soft_wrap=not interactive)

    def show(event: Any) -> None:
        kind = type(event).__name__
        if kind == "Token" or getattr(event, "role", "") == "user":
            return  # the whole message follows; what was typed stands there already
        if kind == "Pending":
            for request in event.pending:
                arguments = " ".join(f"{k}={v}" for k, v in request.arguments.items())
                console.print(Text(f"? {request.verb} {arguments}", style="bold yellow"))
            console.print(Text("  /yes, /no [why], or /edit NAME=VALUE", style="dim"))
        elif event.role == "tool":
            first = event.text.strip().split("\n")[0][:100]
            console.print(Text(f"· {event.tool}: {first}", style="dim"))
        elif interactive and event.role == "assistant":
            console.print(Markdown(event.text))
        else:
            console.print(Text(event.text, style="dim" if event.role == "notice" else ""))

    return show


def _edited(sessions: Sessions) -> Iterator[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import InMemoryHistory

    from ...agent.chat.session import commands

    rows = commands(sessions.verbs)
    words = [f"/{name}" for name, _, _ in rows] + ["/help-of", "/quit"]
    about: dict[Any, Any] = {f"/{name}": text for name, _, text in rows}
    completer = WordCompleter(words, meta_dict=about, sentence=True)
    line_editor: Any = PromptSession(
        history=InMemoryHistory(), completer=completer, complete_while_typing=True
    )
    while True:
        try:
            yield line_editor.prompt(sessions.prompt)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _confirm(question: str) -> bool:
    return typer.confirm(question, default=False)


def _never(_: str) -> bool:
    return False


def _write_report(study: Any) -> str:
    from ..reports.drawing import page_of
    from ..reports.page import file_name

    path = Path(f"{file_name(study.name)}.html")
    path.write_text(page_of(study), encoding="utf-8")
    return str(path)
