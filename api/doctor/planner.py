"""``trialogue doctor --planner SPEC --self-test`` and ``--show-prompt``: what a planner can do, and what it is sent.

Imports the planner and its endpoint; ``doctor.py`` imports this module only when asked to.
"""

from collections.abc import Iterator

import numpy as np

from ...agent.contracts import AbstractPlanner, PlanRequest
from ...agent.planner.by_name import planner_from
from ...agent.planner.planner import Planner
from ...agent.planner.selftest import history, keep_result, lines_of, run_selftest
from .finding import Finding


def check_skill(spec: str, timeout_s: float) -> Iterator[Finding]:
    """Run the self-tests of a planner, store the result for later studies, and say what it shows."""
    planner = planner_from(spec)
    if planner is None:
        return
    try:
        result = run_selftest(planner, deadline_s=timeout_s)
    finally:
        planner.close()
    for subject, well, words in lines_of(result):
        cure = "" if well else "the referee checks every proposal; this planner starts with less trust"
        yield Finding(subject, "ok" if well else "note", words, cure)
    where = keep_result(planner, result)
    yield Finding("self-test", "ok", f"{result.calls} calls, {result.tokens} tokens; kept in {where}")


def shown_prompt(spec: str | None) -> str:
    """Return exactly what a planner would be sent for a small invented study, message by message."""
    planner: AbstractPlanner | None = (
        Planner("http://127.0.0.1:1/v1#none") if spec is None else planner_from(spec)
    )
    if not isinstance(planner, Planner):
        return "This planner reads numbers, not text: it is sent no prompt."
    trials = history(("learning_rate", "dropout", "momentum"), 0.25, 0)
    prompt = planner.prompt(PlanRequest(trials, 4, "candidates", np.random.default_rng(0)))
    return "\n\n".join(f"--- {m.role} ---\n{m.content}" for m in prompt.messages)
