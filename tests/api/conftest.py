"""A made-up study as the doors show it: conditional space, two sources, failures, an attack in every text."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.api.reports.view import StudyView, TrialRow

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def make_view(n: int = 24, *, objectives: int = 1, attack: bool = True) -> StudyView:
    space = tl.SearchSpace(
        [
            tl.Categorical("kernel", ["linear", "rbf"], default="rbf"),
            tl.Float("C", 1e-3, 1e3, log=True, default=1.0),
            tl.Float("gamma", 1e-5, 1e1, log=True, default=0.01, when={"kernel": ["rbf"]}),
            tl.Int("max_iter", 100, 1000, unit="iterations", default=500),
        ]
    )
    listed = [tl.Objective("accuracy", "maximize"), tl.Objective("fit_s", unit="s")][:objectives]
    text = ATTACK if attack else "digits"
    problem = tl.Problem("svm", space, listed, constraints=["size_mb <= 3"], description=text)
    rng = np.random.default_rng(0)
    rows = [
        _row(i, params, space, objectives, text)
        for i, params in enumerate([space.default(), *space.sample(rng, n - 1)])
    ]
    return StudyView(f"svm {text}", problem, tuple(rows), rejected=5, tokens=1234)


def _row(i: int, params: dict, space: tl.SearchSpace, objectives: int, text: str) -> TrialRow:
    if i % 9 == 5:
        return TrialRow(i, "failed", params, source="surrogate", verdict="own", text=f"crash: {text}")
    if i == 23:
        return TrialRow(i, "running", params, source="surrogate", verdict="own")
    value = float(1 - np.mean((space.to_unit(params) - 0.4) ** 2))
    source = "default" if i == 0 else ("planner:tiny", "surrogate", "initial_design")[i % 3]
    return TrialRow(
        i,
        "finished",
        params,
        values=(value, 1 - value)[:objectives],
        feasible=i % 7 != 6,
        source=source,
        verdict="kept" if i % 3 == 0 else "own",
        reason=f"because {text}",
        hypothesis=text if i % 3 == 0 else "",
        mean=value + 0.01 if i > 8 else None,
        sd=0.02 if i > 8 else None,
        constraints={"size_mb": 1.5},
        seconds=0.2,
    )


@pytest.fixture
def view() -> StudyView:
    return make_view()


@pytest.fixture
def view_of_two_objectives() -> StudyView:
    return make_view(objectives=2)
