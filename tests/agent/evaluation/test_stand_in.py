"""A proxy in the evaluator's place: it saves calls, its answers are told apart, the best was measured, and it is taken
back where it is wrong."""

from pathlib import Path

import pytest

import trialogue as tl
from trialogue.agent.evaluation.stand_in import METRIC
from trialogue.api.study_files.study_file import read_specification
from trialogue.serving.errors import InvalidInput

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)]))


class Bowl:
    """Counts its calls; ``shifted`` moves its optimum, and turns it over."""

    def __init__(self) -> None:
        self.calls, self.shifted = 0, False

    def __call__(self, params: tl.agent.contracts.Params) -> float:
        self.calls += 1
        x, y = float(params["x"] or 0), float(params["y"] or 0)
        return -3 * (x - 0.8) ** 2 + y if self.shifted else (x - 0.3) ** 2 + 0.5 * (y - 0.6) ** 2


def answered(study: tl.Study) -> list[int]:
    return [t.number for t in study.trials if t.measurement and METRIC in t.measurement.metrics]


@pytest.mark.slow  # some seconds: networks are trained
def test_calls_are_saved_the_best_was_measured_and_a_wrong_proxy_is_taken_back() -> None:
    bowl = Bowl()
    study = tl.Study(PROBLEM, strategy="random", proxy=tl.ProxyOptions(0.1), seed=0)
    study.run(bowl, n_trials=140)
    numbers = answered(study)
    assert len(numbers) > 20
    assert bowl.calls == 140 - len(numbers)
    assert min(numbers) >= 60
    assert study.best_trial.number not in numbers
    assert all(t.measurement and t.measurement.sem for t in study.trials if t.number in numbers)
    resumed = tl.Study.load("p", storage=study.ledger, strategy="random")
    bowl.shifted = True
    resumed.run(bowl, n_trials=60)
    late = [n for n in answered(resumed) if n >= 140]
    assert late
    assert sum(n >= 180 for n in late) <= 2


def test_what_it_cannot_answer_for_is_refused() -> None:
    two = tl.Problem(
        "two", PROBLEM.space, objectives=[tl.Objective("a", "minimize"), tl.Objective("b", "minimize")]
    )
    with pytest.raises(InvalidInput, match="one objective without constraints"):
        tl.Study(two, proxy=tl.ProxyOptions())
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        tl.ProxyOptions(5)


def test_a_study_file_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        '[study]\nproxy = { accuracy = 0.02 }\n[parameters.x]\ntype = "float"\nlow = 0\nhigh = 1\n'
        '[evaluator]\ncommand = ["true"]\n[problem]\nobjectives = [{ name = "loss", direction = "minimize" }]\n'
    )
    with read_specification(path).changed_by(["proxy.accuracy=0.03"]).open(None) as study:
        assert study.proxy == tl.ProxyOptions(0.03)
        assert study.stored.config["proxy"] == {"accuracy": 0.03}
