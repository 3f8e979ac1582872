"""``trialogue gate``: a check for CI over the files that two runs of a load generator wrote."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..options import AsJson

EXIT_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
"""2 is, as everywhere, for what the caller must put right."""


def gate(
    before: Annotated[list[Path], typer.Option(help="Results of the state before; again for more runs.")],
    after: Annotated[list[Path], typer.Option(help="Results of the state after; again for more runs.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="Judge this metric, such as ttft_p99_ms; again for more.")
    ] = None,
    maximize: Annotated[list[str] | None, typer.Option(help="Judge this one; larger is better.")] = None,
    minimize: Annotated[list[str] | None, typer.Option(help="Judge this one; smaller is better.")] = None,
    tolerance: Annotated[float, typer.Option(help="How much worse is still fine: 0.05 is 5 %.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Say whether what came after is worse: PASS (exit code 0), FAIL (1), INCONCLUSIVE (3); 2 for a wrong call.

    Reads vllm bench serve (--save-result, best with --save-detailed), GuideLLM, SGLang's bench_serving, AIPerf
    (profile_export.jsonl has every request), tune-vllm's handover.json and trialogue export. Several runs of each side are
    judged by how runs differ; one run of each side by its requests.
    """
    from .judgement import GateRules, judge, larger_is_better
    from .results import read_runs

    wanted = {name: larger_is_better(name) for name in metric or ()}
    wanted |= dict.fromkeys(maximize or (), True) | dict.fromkeys(minimize or (), False)
    old, new = ([run for path in paths for run in read_runs(path)] for paths in (before, after))
    judgement = judge(old, new, GateRules(wanted, tolerance))
    print(json.dumps(judgement.to_dict(), indent=1) if as_json else _table(judgement))
    raise typer.Exit(EXIT_CODES[judgement.answer])


def _table(found: object) -> str:
    from ..cli.manage import in_columns
    from .judgement import Gate

    assert isinstance(found, Gate)
    rows = [("metric", "before", "after", "worse by (95 % bounds)", "answer", "stands on")]
    for one in found.metrics:
        by = one.worse_by
        worse = "" if by is None else f"×{by.value:.3f} ({by.low:.3f} to {by.high:.3f})"
        evidence = f"{one.stands_on}; {one.warning}" if one.warning else one.stands_on
        rows.append((one.metric, f"{one.before:.5g}", f"{one.after:.5g}", worse, one.answer, evidence))
    lines = [in_columns(rows)] if found.metrics else []
    return "\n".join([*lines, *found.remarks, f"{found.answer}: {found.reason}"])
