import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import trialogue as tl
from trialogue.api.cli.compare import checked_names, compare
from trialogue.api.reports.comparison import SeededRun, bootstrap, figure, pooled, regrets, table
from trialogue.serving.scripted.behaviours import in_context_learner
from trialogue.serving.scripted.server import ScriptedServer

STUDY = """
[study]
name = "bowl"
budget = { trials = 8 }
[parameters.x]
type = "float"
low = -2
high = 3
[parameters.m]
type = "categorical"
choices = ["a", "b"]
[evaluator]
function = "comparison_target:measure"
"""
TARGET = "def measure(params):\n    return (params['x'] - 1) ** 2 + (params['m'] == 'b') * 0.3\n"


@pytest.fixture
def study(tmp_path, monkeypatch):
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "comparison_target.py").write_text(TARGET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "study.toml"


def command(*arguments):
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_strategies_are_compared_on_the_file_of_a_user(study, tmp_path):
    with ScriptedServer(in_context_learner) as server:
        names = "trialogue,surrogate,random"
        result = command(
            study, "--strategies", names, "--seeds", 2, "--planner", server.url, "--out", tmp_path / "c.html"
        )
    assert result.exit_code == 0, result.output
    assert "random     after   8 trials" in result.output
    assert "tokens" in result.output
    page = (tmp_path / "c.html").read_text()
    assert "regret" in page
    assert "http://cdn" not in page


def test_llambo_can_be_compared_too(study):
    with ScriptedServer(in_context_learner) as server:
        result = command(
            study, "--strategies", "llambo", "--seeds", 1, "--trials", 6, "--planner", server.url, "--json"
        )
    assert result.exit_code == 0, result.output
    (run,) = json.loads(result.output)["runs"]
    assert len(run["values"]) == 6
    assert run["tokens"] > 1_000


def test_without_a_planner_and_names_the_two_that_need_no_model_are_compared(study):
    result = command(study, "--seeds", 1, "--trials", 4, "--bias", "--json")
    assert result.exit_code == 0, result.output
    assert {run["strategy"] for run in json.loads(result.output)["runs"]} == {"surrogate", "random"}


def test_options_of_the_engine_are_for_strategies_with_one_and_a_strategy_that_fails_is_left_out(study):
    names, chosen = "surrogate,random,asha,pbt", "engine.design=dpp"
    result = command(study, "--strategies", names, "--seeds", 1, "--trials", 12, "--set", chosen, "--json")
    assert result.exit_code == 0, result.output
    runs = {run["strategy"]: run for run in json.loads(result.output)["runs"]}
    assert [len(runs[name]["values"]) for name in names.split(",")] == [12, 12, 0, 12]
    assert "fidelity" in runs["asha"]["notes"][0]
    assert not runs["pbt"]["notes"]
    with pytest.raises(tl.TrialogueError, match=r"no strategy could be used: .*fidelity"):
        raise command(study, "--strategies", "asha", "--seeds", 1).exception


@pytest.mark.parametrize(
    ("text", "says"), [("best", "must be some of"), ("", "must be some of"), ("llambo", "needs a model")]
)
def test_names_that_cannot_be_used_are_refused(text, says):
    with pytest.raises(tl.TrialogueError, match=says):
        checked_names(text, has_planner=False)


RUNS = [
    SeededRun("a", 0, (0.0, 1.0, 0.5)),
    SeededRun("b", 0, (0.0, float("nan"), 2.0)),
    SeededRun("a", 1, (float("nan"), 1.0)),
    SeededRun("b", 1, (1.0, 1.0, 1.0)),
]


def test_regret_is_zero_at_the_best_seen_and_never_rises():
    R = regrets(RUNS)
    assert R["b"][0, -1] == 0
    assert R["a"].shape == (2, 3)
    for curves in R.values():
        assert (np.diff(curves, axis=1)[np.isfinite(np.diff(curves, axis=1))] <= 0).all()


def test_the_table_pairs_seeds_with_the_reference():
    lines = {(line.strategy, line.trials): line for line in table(RUNS, "b", [3])}
    assert lines[("b", 3)].difference == 0
    assert lines[("a", 3)].low <= lines[("a", 3)].difference <= lines[("a", 3)].high


def test_intervals_cover_what_they_should():
    rng = np.random.default_rng(0)
    inside = [(lambda i: i[0] <= 1 <= i[1])(bootstrap(rng.normal(1, 1, 30), draws=500)) for _ in range(200)]
    assert 0.88 < np.mean(inside) <= 1


def test_a_comparison_without_one_good_trial_is_no_trouble():
    runs = [SeededRun("a", 0, (float("nan"),)), SeededRun("b", 0, (float("nan"),))]
    assert np.isnan(regrets(runs)["a"]).all()
    json.dumps(figure(runs))


def test_tasks_are_pooled_on_their_own_scales():
    small = [SeededRun("a", 0, (1.0, 3.0)), SeededRun("b", 0, (1.0, 2.0))]
    large = [replace(run, values=tuple(1000 * v for v in run.values)) for run in small]
    lines = {line.strategy: line for line in table(pooled([small, large]), "a", [2])}
    assert (lines["a"].regret, lines["b"].regret) == (0.0, 0.5)
    assert regrets(pooled([small, large]))["b"].shape == (2, 2)
