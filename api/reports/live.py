"""A running study in the terminal: a table that follows the ledger, a bar with the time left, the best so far.

It only reads, in a thread of its own: it shows the trials of every process that works on the study, and a slow terminal
never slows an evaluation. Where the output is no terminal, each trial that ends becomes one line instead.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from .figures import fates
from .page import duration, short
from .view import StudyView, TrialRow

POLL_S = 0.25
FATE_STYLES = {
    "improved": "bold green",
    "failed": "red",
    "infeasible": "yellow",
    "running": "dim",
    "pruned": "magenta",
}
SOURCE_STYLES = {"planner": "bright_red", "surrogate": "blue", "user": "yellow", "default": "bold"}


class LiveStudy:
    """Shows a study while a ``with`` block works on it. ``total``: how many trials are wanted, None when unknown."""

    def __init__(
        self, read: Callable[[], StudyView], total: int | None, console: Console | None = None
    ) -> None:
        self._read, self._total = read, total
        self._console = console or Console()
        self._started = time.monotonic()
        self._already = sum(row.fate != "running" for row in read().rows)
        self._shown: set[int] = set()
        self._stop = threading.Event()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._thread = threading.Thread(target=self._follow, name="trialogue-live", daemon=True)

    def __enter__(self) -> "LiveStudy":
        if self._console.is_terminal:
            self._live.start()
        else:
            self._shown = {row.number for row in self._read().rows if row.fate != "running"}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._show(self._read())
        self._live.stop()

    def _follow(self) -> None:
        pause_s = POLL_S
        while not self._stop.wait(pause_s):
            began = time.monotonic()
            self._show(self._read())
            pause_s = max(POLL_S, 5 * (time.monotonic() - began))  # a long study is read less often

    def _show(self, view: StudyView) -> None:
        if self._console.is_terminal:
            self._live.update(self._screen(view), refresh=True)
            return
        for row, fate in fates(view):
            if row.fate != "running" and row.number not in self._shown:
                self._shown.add(row.number)
                self._console.print(line(view, row, fate), soft_wrap=True, highlight=False, markup=False)

    def _screen(self, view: StudyView) -> RenderableType:
        shown = max(5, min(len(view.rows), self._console.height - 9))
        return Group(table(view, last=shown), self._bar(view), best_line(view))

    def _bar(self, view: StudyView) -> RenderableType:
        done = sum(row.fate != "running" for row in view.rows)
        bar = Progress(
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
        )
        bar.add_task("", total=self._total, completed=done, left=self._time_left(done))
        return bar.get_renderable()

    def _time_left(self, done: int) -> str:
        passed_s, new = time.monotonic() - self._started, done - self._already
        if self._total is None or new < 2:
            return duration(passed_s)
        if done >= self._total:
            return f"done in {duration(passed_s)}"
        return f"{duration(passed_s)}, about {duration(passed_s / new * (self._total - done))} left"


def table(view: StudyView, last: int) -> Table:
    """Return the last trials as a table."""
    objectives = view.problem.objectives
    grid = Table(
        title=f"study {escape(view.name)}", title_justify="left", expand=False, pad_edge=False, box=None
    )
    grid.add_column("#", justify="right")
    for heading in ("proposed by", "verdict", *(escape(o.name) for o in objectives), "expected"):
        grid.add_column(heading, no_wrap=True)
    grid.add_column("parameters", overflow="ellipsis", no_wrap=True, ratio=1)
    for row, fate in fates(view)[-last:]:
        style = FATE_STYLES.get(fate, "")
        source = Text(row.source, style=SOURCE_STYLES.get(row.source.split(":")[0], ""))
        values = [Text(v, style=style) for v in _values(view, row, fate)]
        grid.add_row(str(row.number), source, row.verdict, *values, expected(row), Text(parameters(row)))
    return grid


def best_line(view: StudyView) -> Text:
    """Return the best so far in words."""
    best = view.best()
    if best is None:
        return Text("no feasible result yet", style="dim")
    name = view.problem.objectives[0].name
    return Text(
        f"best {name} {short(best.values[0])}  trial {best.number}: {parameters(best)}", style="bold green"
    )


def line(view: StudyView, row: TrialRow, fate: str) -> str:
    """Return one trial as one line of text."""
    values = " ".join(_values(view, row, fate))
    verdict = f" ({row.verdict})" if row.verdict else ""
    return f"trial {row.number:>3}  {values:<12} {fate:<10} {row.source}{verdict}  {parameters(row)}"


def parameters(row: TrialRow) -> str:
    """Return the active parameters in one line."""
    return " ".join(f"{name}={short(value)}" for name, value in row.params.items())


def expected(row: TrialRow) -> str:
    """Return what the surrogate expected, empty where it did not say."""
    return "" if row.mean is None or row.sd is None else f"{short(row.mean)} ± {row.sd:.2g}"


def _values(view: StudyView, row: TrialRow, fate: str) -> list[str]:
    if row.values:
        return [f"{short(v)}{'!' if fate == 'infeasible' else ''}" for v in row.values]
    return [fate, *[""] * (len(view.problem.objectives) - 1)]
