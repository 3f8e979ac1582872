"""``trialogue compare STUDY.toml``: the same study with several strategies and seeds, side by side, with a regret plot.

Every study is kept in memory: a comparison neither reads nor writes the file's own study. A strategy that fails is told
and left out; the others go on. Runs stand in ``comparison_runs.py``, the arithmetic in ``comparison.py``.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...serving.errors import InvalidInput
from ..options import AsJson, Changes


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="STUDY.toml...", help="Studies to compare on; target:all is the whole gallery."
        ),
    ],
    strategies: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="With commas (default: surrogate,random, and trialogue where there is a planner).",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Studies per strategy.")] = 5,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials per study (default: the file's budget, or 30).")
    ] = None,
    tasks: Annotated[
        int | None, typer.Option(min=1, help="Of many studies take so many, each family in proportion.")
    ] = None,
    planner: Annotated[str | None, typer.Option(metavar="SPEC", help="Instead of the file's.")] = None,
    changes: Changes = None,
    with_bias: Annotated[
        bool,
        typer.Option(
            "--bias",
            help="Also say how many bits each surrogate lacks for this study, by as many random trials.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Write the page with the regret plot here.")] = Path(
        "comparison.html"
    ),
    as_json: AsJson = False,
) -> None:
    """Run a study with several strategies and seeds and say which finds good configurations sooner.

    Evaluates studies x seeds x strategies x trials times. The strategies see the same seeds, so their differences are paired.
    """
    from ..reports.comparison import pooled, table, totals
    from ..study_files.study_file import read_specification
    from .comparison_runs import bias, page, run_all, sampled, summary

    specifications = [read_specification(file).changed_by(changes or ()) for file in sampled(files, tasks)]
    specification = specifications[0]
    spec = planner or specification.settings.planner
    budget = specification.settings.budget
    planned = spec not in (None, "none")
    usual = "trialogue,surrogate,random" if planned else "surrogate,random"
    names = checked_names(usual if strategies is None else strategies, has_planner=planned)
    length = trials or (budget.trials if budget is not None else None) or 30
    by_task = run_all(specifications, names, range(seeds), length, spec, quiet=as_json)
    runs = by_task[0] if len(by_task) == 1 else pooled(by_task)
    reference = "surrogate" if "surrogate" in names else names[0]
    lines = table(runs, reference, sorted({min(t, length) for t in (5, 10, 20, length)}))
    lacking = bias(specification, length) if with_bias else {}
    out.write_text(page(runs, ", ".join(one.name for one in specifications)), encoding="utf-8")
    if as_json:
        rows = {"runs": [asdict(r) for r in runs], "table": [asdict(line) for line in lines], "bits": lacking}
        print(json.dumps(rows, indent=1))
    else:
        print(summary(lines, reference, totals(runs), lacking if with_bias else None))
        print(f"Plot: {out}")


def checked_names(text: str, *, has_planner: bool) -> list[str]:
    """Return the strategies named in ``text``; raises InvalidInput for unknown ones, and where a model is missing."""
    from ...agent.strategies.by_name import NAMES, NEEDS_MODEL

    names = list(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    unknown = [n for n in names if n.removeprefix("surrogate:") == n and n not in NAMES]
    if unknown or not names:
        raise InvalidInput(
            f"`--strategies` must be some of {', '.join(NAMES)} or surrogate:NAME, got {text!r}."
        )
    lacking = [n for n in names if n in NEEDS_MODEL]
    if lacking and not has_planner:
        raise InvalidInput(
            f"strategy {lacking[0]!r} needs a model; give `--planner` or leave it out: --strategies surrogate,random."
        )
    return names
