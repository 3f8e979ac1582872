import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def no_harm(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import no_harm

    yield no_harm
    for name in ("no_harm", "no_harm_report", "planted"):
        sys.modules.pop(name, None)


def test_planted_problems_are_what_they_say(no_harm):
    made = no_harm.problems()
    assert len(made) == 24
    assert len({p.name for p in made}) == 24
    for p in made[::4]:
        assert p.loss(p.optimum) == pytest.approx(0, abs=1e-9)
        assert p.loss(p.worst) > p.typical > 0
        assert p.loss(p.problem.space.default()) > 0.02 * p.typical
        assert p.loss(p.decoy) > p.typical


@pytest.mark.slow
def test_the_benchmark_runs_and_broken_models_change_nothing(no_harm):
    models = ["none", "expert", "garbage", "slow", "flaky_expert"]
    args = no_harm.parse(["--problems", "2", "--seeds", "1", "--trials", "10", "--models", *models])
    rows = no_harm.run(args)
    assert len(rows) == 10
    missed = no_harm.targets(rows)
    assert not [m for m in missed if not m.startswith("expert")]  # two studies say nothing of gains
    assert "flaky_expert" in no_harm.report(rows)


def test_ratios_are_paired(no_harm):
    rng = np.random.default_rng(0)
    b = rng.random((20, 10)) + 0.1
    import no_harm_report

    ratio, low, high = no_harm_report.ratio_interval(1.2 * b, b)
    assert ratio == pytest.approx(1.2)
    assert low == pytest.approx(high) == pytest.approx(1.2)
