"""What a terminal shows of a running study: the trials that ended last, what is running, the best so far, the time left.

Pure: a view, an instant and a size in, something that rich can draw out. Numbers are never cut: a column that does not fit
is left out, the least telling first. Knows no ledger, no thread and no device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..reports.figures import fates
from ..reports.page import duration, short
from ..reports.view import StudyView, TrialRow

FATE_STYLES = {
    "improved": "bold green",
    "failed": "red",
    "infeasible": "yellow",
    "running": "dim",
    "pruned": "magenta",
}
SOURCE_STYLES = {"planner": "bright_red", "surrogate": "blue", "user": "yellow", "default": "bold"}
SOURCE_WIDTH = 30
"""Cells of the longest proposer that is shown whole; an endpoint's address may be longer."""
HEADING_WIDTH = 16
LEAST_PARAMETERS = 20
"""Cells that the column of parameters keeps, whatever else there is to show."""
AROUND = 8
"""Lines around the trials: title, headings, that one is chosen, two of the best, bar, and two of how far the study is."""
BAR_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a run; None: nothing of that kind. ``trials``: ended ones of the study, earlier runs' too;
    ``evaluation_s``: seconds of evaluation, summed over trials; ``seconds``: since this run began."""

    trials: int | None = None
    evaluation_s: float | None = None
    seconds: float | None = None

    def shares(self, view: StudyView) -> tuple[float, float]:
        """Return the shares of trials and of seconds of evaluation that are used, each 0 without a limit."""
        used_s = sum(row.seconds or 0.0 for row in view.rows if row.fate != "running")
        return _share(ended(view), self.trials), _share(used_s, self.evaluation_s)


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is: ``now`` in seconds since the epoch, ``passed_s`` since the run began, and the shares used by then.

    ``over``: the run has ended."""

    now: float
    passed_s: float
    began_with: tuple[float, float] = (0.0, 0.0)
    over: bool = False


def screen(
    view: StudyView, ends: Ends, moment: Moment, *, width: int, height: int, history: bool = True
) -> RenderableType:
    """Return what is shown, at most ``height`` lines of ``width`` cells. Without ``history``: only what is running."""
    share, left_s = progress(view, ends, moment)
    parts: list[RenderableType] = [
        Text(f"study {flat(view.name)}", no_wrap=True, overflow="ellipsis")
    ] * history
    rows = shown(view, max(1, height - AROUND), history=history)
    if rows:
        parts.append(table(view, rows, now=moment.now, width=width))
    if history and not moment.over and all(row.fate != "running" for row in view.rows):
        parts.append(Text("choosing what to run next", style="dim", no_wrap=True))
    parts.append(_two_lines(best_line(view), width))
    if ends != Ends():
        parts.append(Padding(ProgressBar(total=1.0, completed=share, width=min(width, BAR_WIDTH)), 0))
    return Group(*parts, _two_lines(Text(status(view, ends, moment, left_s)), width))


def progress(view: StudyView, ends: Ends, moment: Moment) -> tuple[float, float | None]:
    """Return which share of the run is over, and how many seconds are left; None while that cannot be told."""
    shares = ends.shares(view)
    lefts = [
        moment.passed_s * max(0.0, 1 - share) / (share - began)
        for share, began in zip(shares, moment.began_with, strict=True)
        if share > began
    ]
    if ends.seconds is not None:
        lefts.append(max(0.0, ends.seconds - moment.passed_s))
    share = min(1.0, max(*shares, _share(moment.passed_s, ends.seconds)))
    return share, min(lefts, default=None)


def status(view: StudyView, ends: Ends, moment: Moment, left_s: float | None) -> str:
    """Return in words how far the study is."""
    failed = sum(row.fate == "failed" for row in view.rows)
    done = ended(view)
    count = f"{done} trials" if ends.trials is None else f"{done} of {ends.trials} trials"
    parts = [count, f"{failed} failed" if failed else "", duration(moment.passed_s)]
    if left_s is not None and not moment.over:
        parts.append(f"about {duration(left_s)} left")
    if view.tokens:
        parts.append(f"{view.tokens:,} tokens")
    return " · ".join(part for part in parts if part)


def shown(view: StudyView, count: int, *, history: bool) -> list[tuple[TrialRow, str]]:
    """Return up to ``count`` trials with their fates: the last that ended, then those that are running."""
    pairs = fates(view)
    running = [pair for pair in pairs if pair[0].fate == "running"][-count:]
    over = [pair for pair in pairs if pair[0].fate != "running"] if history else []
    return [*over[max(0, len(over) - (count - len(running))) :], *running]


def table(view: StudyView, rows: Sequence[tuple[TrialRow, str]], *, now: float, width: int) -> Table:
    """Return trials as a table that fits into ``width`` cells."""
    grid = Table(box=None, pad_edge=False)
    columns = _fitting(_columns(view, rows, now), width - LEAST_PARAMETERS)
    for column in columns:
        grid.add_column(column.heading, justify="right" if column.right else "left", width=column.width - 2)
    rest = max(1, width - sum(column.width for column in columns))
    grid.add_column("parameters", overflow="ellipsis", no_wrap=True, width=rest)
    for i, (row, _) in enumerate(rows):
        grid.add_row(*(column.cells[i] for column in columns), _parameters_cell(row))
    return grid


@dataclass(frozen=True)
class _Column:
    """A column of the table. ``dispensable``: the highest is left out first; 0 always stays."""

    heading: Text
    cells: Sequence[Text]
    dispensable: int = 0
    right: bool = False

    @property
    def width(self) -> int:
        """Cells that the column takes, with the space after it."""
        return 2 + max(cell_len(text.plain) for text in (self.heading, *self.cells))


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Return the columns that fit into ``width`` cells."""
    fitting = list(columns)
    while sum(c.width for c in fitting) > width and (most := max(c.dispensable for c in fitting)):
        fitting.remove(next(c for c in fitting if c.dispensable == most))
    return fitting


def _columns(view: StudyView, rows: Sequence[tuple[TrialRow, str]], now: float) -> list[_Column]:
    numbers = _Column(Text("#"), [Text(str(row.number)) for row, _ in rows], right=True)
    objectives = [
        _Column(
            _cut(objective.name, HEADING_WIDTH),
            [Text(value(row, fate, i), style=FATE_STYLES.get(fate, "")) for row, fate in rows],
            dispensable=i,
        )
        for i, objective in enumerate(view.problem.objectives)
    ]
    n = len(objectives)
    took = _Column(Text("took"), [Text(took_in_words(row, now)) for row, _ in rows], n, right=True)
    who = _Column(Text("proposed by"), [_source_cell(row) for row, _ in rows], n + 1)
    belief = _Column(Text("expected"), [Text(expected(row)) for row, _ in rows], n + 2)
    columns = [numbers, *objectives, took, who, belief]
    return [column for column in columns if any(cell.plain for cell in column.cells)]


def best_line(view: StudyView) -> Text:
    """Return the best so far in words; of several objectives, how many trials no other beats."""
    best, objective = view.best(), view.problem.objectives[0]
    if best is None:
        return Text("no feasible result yet", style="dim")
    words = f"best {flat(objective.name)} {short(best.values[0])}, trial {best.number}: {parameters(best)}"
    if len(view.problem.objectives) > 1:
        words = f"{len(view.front())} not beaten in all objectives; {words}"
    return Text(words, style="bold green")


def line(view: StudyView, row: TrialRow, fate: str) -> str:
    """Return one trial as one line of text."""
    values = " ".join(value(row, fate, i) for i in range(len(view.problem.objectives) if row.values else 1))
    reason = f"  {flat(row.text)}" if row.text else ""
    return f"trial {row.number:>3}  {values:<12} {fate:<10} {proposer(row)}  {parameters(row)}{reason}"


def parameters(row: TrialRow) -> str:
    """Return the active parameters in one line."""
    return " ".join(f"{flat(name)}={flat(short(value))}" for name, value in row.params.items())


def expected(row: TrialRow) -> str:
    """Return what the surrogate expected, empty where it did not say."""
    return "" if row.mean is None or row.sd is None else f"{short(row.mean)} ± {row.sd:.2g}"


def proposer(row: TrialRow) -> str:
    """Return who proposed a trial, with the check's verdict where there was something to check."""
    return flat(row.source) if row.verdict in ("", "own") else f"{flat(row.source)} ({row.verdict})"


def value(row: TrialRow, fate: str, objective: int) -> str:
    """Return one result of a trial, with ``!`` where it breaks a limit, or in the first place what it is instead."""
    if row.values:
        return f"{short(row.values[objective])}{'!' if fate == 'infeasible' else ''}"
    return "" if objective else fate


def took_in_words(row: TrialRow, now: float) -> str:
    """Return how long a trial took, or has been running; empty where nobody knows."""
    if row.fate == "running" and row.started_at is not None:
        return duration(max(0.0, now - row.started_at))
    return "" if row.seconds is None else duration(row.seconds)


def ended(view: StudyView) -> int:
    """Return how many trials have ended."""
    return sum(row.fate != "running" for row in view.rows)


def flat(text: str) -> str:
    """Return a text on one line, without what would move a terminal's cursor or paint.

    >>> flat("loss\\n\\x1b[31mnan\\x1b[0m")
    'loss nan'
    """
    return "".join(c if c.isprintable() else " " for c in Text.from_ansi(text).plain)


def _parameters_cell(row: TrialRow) -> Text:
    cell = Text(f"{flat(row.text)}  " if row.text else "", style="")
    cell.stylize("red")
    return cell.append(parameters(row), style="not red" if row.text else "")


def _source_cell(row: TrialRow) -> Text:
    text = _cut(proposer(row), SOURCE_WIDTH)
    text.stylize(SOURCE_STYLES.get(row.source.split(":")[0], ""))
    return text


def _cut(words: str, width: int) -> Text:
    text = Text(flat(words))
    text.truncate(width, overflow="ellipsis")
    return text


def _two_lines(text: Text, width: int) -> Text:
    return Text("\n".join(wrap(text.plain, width, max_lines=2, placeholder=" …")), style=text.style)


def _share(used: float, limit: float | None) -> float:
    if limit is None:
        return 0.0
    return used / limit if limit > 0 else 1.0
