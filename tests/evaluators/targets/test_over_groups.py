import pytest

import trialogue as tl
from trialogue.api.study_files.study_file import read_specification
from trialogue.evaluators.errors import EvaluationFailed, InvalidSpecification
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.over_groups import OverGroups
from trialogue.evaluators.targets.retrieval.group_budget import GroupBudget

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]), [tl.Objective("error")])
RATES = {"easy": (1.0, 1.0), "hard": (4.0, 0.5)}
"""Scale and rate of each group's learning curve."""


def error(params, run):
    scale, rate = RATES[run.group]
    return (1 + params["x"]) * scale * run.samples**-rate


def over(**changes):
    return OverGroups(error, PROBLEM, tuple(RATES), GroupBudget(1000, [1, 2], [1, 1], **changes))


def test_the_split_is_the_constrained_optimum_of_the_curves():
    """Lagrange: w r s n^(-r-1) / c is the same for all groups."""
    found = over()({"x": 0.0}, Run())
    n = [found.metrics["samples:easy"], found.metrics["samples:hard"]]
    assert n[0] + 2 * n[1] <= 1000
    assert n[0] + 2 * n[1] == pytest.approx(1000, abs=6)
    margins = [
        r * s * count ** (-r - 1) / c for (s, r), count, c in zip(RATES.values(), n, (1, 2), strict=True)
    ]
    assert margins[0] == pytest.approx(margins[1], rel=0.05)
    assert found.value == pytest.approx((found.metrics["error:easy"] + found.metrics["error:hard"]) / 2)


def test_a_larger_power_cares_for_the_worst_group_and_fidelity_is_a_part_of_the_budget():
    worst = over(power=4)({"x": 0.0}, Run())
    assert worst.value == pytest.approx(
        ((worst.metrics["error:easy"] ** 4 + worst.metrics["error:hard"] ** 4) / 2) ** 0.25
    )
    half = over()({"x": 0.0}, Run(fidelity=0.5))
    assert half.metrics["samples:easy"] + 2 * half.metrics["samples:hard"] <= 500


def test_a_group_without_errors_needs_no_more_data():
    def one_is_perfect(params, run):
        return 0.0 if run.group == "easy" else error(params, run)

    found = OverGroups(one_is_perfect, PROBLEM, tuple(RATES), over().budget)({"x": 0.0}, Run())
    assert found.metrics["error:easy"] == 0
    assert found.metrics["samples:easy"] < 100 < found.metrics["samples:hard"]
    assert found.value == pytest.approx(found.metrics["error:hard"] / 2)


def test_a_budget_buys_two_samples_of_each_group_or_is_refused():
    with pytest.raises(InvalidSpecification, match="two samples of each group, which cost 6, got 5"):
        OverGroups(error, PROBLEM, tuple(RATES), GroupBudget(5, [1, 2], [1, 1]))
    with pytest.raises(InvalidSpecification, match="got 1"):
        over()({"x": 0.0}, Run(fidelity=0.001))


def test_an_error_is_not_below_nothing_and_the_problem_has_one_error():
    with pytest.raises(EvaluationFailed, match="'easy' after"):
        OverGroups(lambda params, run: -0.1, PROBLEM, ("easy", "hard"), over().budget)({"x": 0.0}, Run())
    up = tl.Problem("p", PROBLEM.space, [tl.Objective("accuracy", "maximize")])
    with pytest.raises(InvalidSpecification, match="minimized"):
        OverGroups(error, up, ("easy", "hard"), over().budget)


def test_a_study_file_names_the_groups_of_a_command(tmp_path):
    (tmp_path / "s.toml").write_text(
        """
        [problem]
        objectives = [{ name = "error" }]
        [parameters.x]
        type = "float"
        low = 0
        high = 1
        [groups]
        total = 60
        rounds = 1
        of = { easy = {}, hard = { cost = 2, weight = 3 } }
        [evaluator]
        command = ["{python}", "-c", "print(({x} + 1) / {samples} ** (1.0 if '{group}' == 'easy' else 0.5))"]
        """
    )
    stated = read_specification(tmp_path / "s.toml")
    study = stated.open(None)
    study.run(stated.evaluate, n_trials=1)
    (trial,) = study.trials
    assert trial.measurement is not None
    metrics = trial.measurement.metrics
    assert metrics["samples:easy"] + 2 * metrics["samples:hard"] <= 60
    expected = (metrics["error:easy"] + 3 * metrics["error:hard"]) / 4
    assert trial.value == pytest.approx(expected)
