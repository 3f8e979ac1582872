"""Running a study from a terminal: live table, Ctrl-C with a clean ledger, and what came of it at the end."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...agent.lineage import ancestry, member_of
from ...agent.study.study import Study
from ...agent.views.lost_calls import lost_calls
from ...evaluators.programs.call import Evaluate
from ..reports.page import default_row, duration, short, write_report
from ..reports.view import StudyView, TrialRow, certainty_in_words, view_of
from .live import LiveStudy
from .screen import Ends, ended


class Session:
    """One run of one study in this terminal. ``quiet``: nothing but what goes wrong (for ``--json``)."""

    def __init__(self, study: Study, storage: str, *, quiet: bool = False) -> None:
        self.study, self.storage = study, storage
        self.console = Console(quiet=quiet, stderr=quiet)

    def view(self) -> StudyView:
        """Return the study as it stands now."""
        return view_of(self.study.name, self.study.problem, self.study.trials, tokens=self.study.spent.tokens)

    def run(
        self, evaluate: Evaluate, *, trials: int | None, seconds: float | None, workers: int = 1,
        workdir: Path | None = None,
    ) -> None:  # fmt: skip
        """Run trials and show them. Raises typer.Exit(130) after Ctrl-C, with every finished trial in the ledger."""
        try:
            with LiveStudy(self.view, self._ends(trials, seconds), self.console):
                self.study.run(evaluate, n_trials=trials, seconds=seconds, workers=workers, workdir=workdir)
        except KeyboardInterrupt:
            done = ended(self.view())
            Console(stderr=True).print(
                f"Interrupted. All {done} ended trials are in {self.storage}; the same command goes on from there.",
                highlight=False,
            )
            raise typer.Exit(130) from None

    def report(self, path: Path) -> None:
        """Write the report page and say where."""
        write_report(self.study.name, self.storage, path)
        self.console.print(f"report   {path}", highlight=False, soft_wrap=True)

    def summary(self, seconds: float) -> None:
        """Print the best configuration against the default one, and who proposed what."""
        view = self.view()
        best = view.best()
        if best is None:
            self.console.print("\nNo trial gave a feasible result.")
        elif len(view.problem.objectives) > 1:
            self.console.print(
                f"\n{len(view.front())} trials are not beaten in all objectives; the report shows them."
            )
        else:
            self._say(f"\n{headline(view, best)}", style="bold")
            self.console.print(comparison(view, best))
            self._say(f"certain  {certainty_in_words(self.study.ledger, self.study.stored)}")
            for text in schedule(view, best):
                self._say(text)
        lost = lost_calls(self.study.ledger, self.study.stored)
        for text in (*who_did_what(view), *lost, f"time     {duration(seconds)}"):
            self._say(text)

    def _say(self, text: str, style: str = "") -> None:
        """Print a line: wrapped between words in a terminal, as it is elsewhere."""
        wraps = self.console.is_terminal
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=not wraps)

    def as_json(self, seconds: float) -> str:
        """Return what came of the study as JSON."""
        view = self.view()
        best = view.best()
        answer: dict[str, Any] = {"study": view.name, "storage": self.storage, "trials": len(view.rows)}
        answer |= {"seconds": round(seconds, 3), "tokens": view.tokens, "rejected": view.rejected}
        answer["best"] = None if best is None else asdict(best)
        if len(view.problem.objectives) > 1:
            answer["front"] = [asdict(row) for row in view.front()]
        return json.dumps(answer, indent=1)

    def _ends(self, trials: int | None, seconds: float | None) -> Ends:
        done, budget = ended(self.view()), self.study.budget
        limits = [n for n in (None if trials is None else done + trials, budget.trials) if n is not None]
        return Ends(min(limits, default=None), budget.seconds, seconds)


def headline(view: StudyView, best: TrialRow) -> str:
    """Return the best result in one line, and what it gains over the default configuration."""
    line = f"best {view.problem.objectives[0].name} {short(best.values[0])} in trial {best.number}, by {best.source}"
    default = default_row(view)
    if default is None or not default.values:
        return line
    old, new = default.values[0], best.values[0]
    gain = f" ({(new - old) / abs(old):+.1%})" if old else ""
    return f"{line}; the default gives {short(old)}{gain}"


def schedule(view: StudyView, best: TrialRow) -> list[str]:
    """Return how the parameters changed on the way to the best trial, a line each; [] where it continued no other."""
    rows = {row.number: row for row in view.rows}
    line = [rows[n] for n in ancestry({n: row.source for n, row in rows.items()}, best.number) if n in rows]
    if len(line) < 2:
        return []
    lines = [f"schedule of the best over trials {', '.join(str(row.number) for row in line)}:"]
    for name in view.problem.space.names:
        values = [short(row.params[name]) for row in line if name in row.params]
        lines.append(f"  {name}: {' '.join(v for i, v in enumerate(values) if not i or v != values[i - 1])}")
    return lines


def comparison(view: StudyView, best: TrialRow) -> Table:
    """Return the best configuration beside the default one; what differs is bold."""
    grid = Table(box=None, pad_edge=False)
    for heading in ("parameter", "best", "default"):
        grid.add_column(heading)
    usual = view.problem.space.default()
    for name in view.problem.space.names:
        value, default = (short(p[name]) if name in p else "off" for p in (best.params, usual))
        grid.add_row(Text(name), Text(value, style="" if value == default else "bold"), Text(default))
    return grid


def _proposer(source: str) -> str:
    """Return a source without the member and the checkpoint of a population's trial."""
    return source if member_of(source) is None else source.partition(":")[0]


def who_did_what(view: StudyView) -> list[str]:
    """Return one line per source: how many trials it proposed, and how many of them were new bests."""
    improved = {number for number, _ in view.incumbents()}
    lines = []
    for source in dict.fromkeys(_proposer(source) for source in view.sources()):
        rows = [row for row in view.rows if _proposer(row.source) == source]
        new = sum(row.number in improved for row in rows)
        lines.append(f"{source:<24} {len(rows):>3} trials, {new} of them new bests")
    if view.rejected:
        lines.append(f"{'rejected by the check':<24} {view.rejected:>3} proposals")
    return ["", *lines]
