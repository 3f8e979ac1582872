"""A running study in the terminal, redrawn in place (``screen.py``); a line for each trial that ends where it is no terminal.

It only reads, in a thread of its own: it shows the trials of every process that works on the study, and a slow terminal
never slows an evaluation. Whatever ends the block, Ctrl-C twice too, the cursor is given back.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live

from ...serving.errors import TrialogueError
from ..reports.figures import fates
from ..reports.view import StudyView
from .screen import Ends, Moment, line, screen

POLL_S = 0.25


class LiveStudy:
    """Shows a study while a ``with`` block works on it. ``read`` returns None where there is no study yet.

    ``history``: whether trials that have ended are shown too; False where the block says what became of each itself, which
    then stands above.
    """

    def __init__(
        self,
        read: Callable[[], StudyView | None],
        ends: Ends,
        console: Console | None = None,
        *,
        history: bool = True,
    ) -> None:
        self._read, self._ends, self._history = read, ends, history
        self._console = console or Console()
        self._redraws = self._console.is_interactive and self._console.file.isatty()
        self._started = time.monotonic()
        view = read()
        self._began_with = (0.0, 0.0) if view is None else ends.shares(view)
        self._said = set() if view is None else {row.number for row in view.rows if row.fate != "running"}
        self._stop = threading.Event()
        self._live = Live(console=self._console, auto_refresh=False, transient=not history)
        self._thread = threading.Thread(target=self._follow, name="trialogue-live", daemon=True)

    def __enter__(self) -> "LiveStudy":
        if self._redraws:
            self._live.start()
        if not self._console.quiet and (self._redraws or self._history):
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop.set()
            if self._thread.is_alive():
                self._thread.join(timeout=10)
            if not self._console.quiet:
                self._look(over=True)
        finally:
            self._live.stop()

    def _follow(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            began = time.monotonic()
            self._look()
            pause_s = max(POLL_S, 5 * (time.monotonic() - began))  # a long study is read less often

    def _look(self, *, over: bool = False) -> None:
        """Show how the study stands; a ledger that is away is looked at again the next time."""
        try:
            view = self._read()
        except TrialogueError:
            return
        if view is None:
            return
        if self._redraws:
            self._draw(view, over)
        elif self._history:
            self._say(view)

    def _draw(self, view: StudyView, over: bool) -> None:
        moment = Moment(time.time(), time.monotonic() - self._started, self._began_with, over)
        width, height = self._console.size
        picture = screen(view, self._ends, moment, width=width, height=height, history=self._history)
        self._live.update(picture, refresh=True)

    def _say(self, view: StudyView) -> None:
        for row, fate in fates(view):
            if row.fate != "running" and row.number not in self._said:
                self._said.add(row.number)
                self._console.print(line(view, row, fate), soft_wrap=True, highlight=False, markup=False)
