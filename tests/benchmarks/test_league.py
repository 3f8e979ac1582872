"""The league's own arithmetic: tables read and scored, published runs looked up, paired differences."""

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("benchmarks/ is not shipped with the wheel", allow_module_level=True)
sys.path[:0] = [str(BENCHMARKS)]

from league import bbob, choices, moot, neo, own, picture, report, tabular, yahpo  # noqa: E402

TEXT = "Threads,Cache size,noteX,Speed+,Cost-\n1,10,a,0,4\n2,10,b,5,2\n4,20,c,10,0\n4,?,d,10,4\n"


@pytest.fixture
def table(tmp_path: Path) -> moot.Table:
    path = tmp_path / "small.csv"
    path.write_text(TEXT)
    read = moot.read(path)
    assert read is not None
    return read


def test_distance_is_what_a_row_lacks_to_the_ideal(table: moot.Table) -> None:
    assert table.distance == pytest.approx([1.0, 0.5, 0.0, np.sqrt(0.5)])


def test_the_best_row_has_regret_0_and_the_mean_row_1(table: moot.Table) -> None:
    assert table.score({"Threads": 4, "Cache size": 20}) == 0
    assert table.regret(table.distance.mean()) == pytest.approx(1)


def test_a_row_is_looked_up_by_the_columns_that_are_there(table: moot.Table) -> None:
    both = table.regret(np.mean(table.distance[2:]))
    assert table.score({"Threads": "4"}) == pytest.approx(both)
    assert table.score({"Threads": 3}) is None
    assert table.score({"Another": 4}) is None


def test_goals_and_ignored_columns_are_no_parameters(table: moot.Table) -> None:
    assert table.parameters == ["Threads", "Cachesize"]
    assert len(table.replay().rows) == 4


def test_a_table_without_differences_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    path.write_text("a,Speed+\n1,5\n2,5\n")
    assert moot.read(path) is None


def test_published_runs_are_scored_on_our_copy(tmp_path: Path, table: moot.Table) -> None:
    folder = tmp_path / "results" / "results_SMAC" / "SMAC"
    folder.mkdir(parents=True)
    (folder / "small_6.csv").write_text(
        "\"[{'Threads': 4, 'Cachesize': 20}, {'Threads': 1, 'Cachesize': nan}]\"\n"
    )
    regrets = neo.scores(tmp_path, table, "SMAC", 6)
    assert regrets == [0.0, None]
    assert "SMAC" not in neo.by_optimizer(tmp_path, table, 6), "a run that is not in the table says nothing"
    assert neo.scores(tmp_path, table, "SMAC", 12) is None


def test_a_run_of_ours_is_kept_and_not_run_again(tmp_path: Path, table: moot.Table) -> None:
    tasks, names = [table.task((3,))], ["trialogue", "optuna-tpe", "random"]
    own.run_missing(tmp_path, "moot", tasks, names, range(1), stop_s=60)
    lines = (tmp_path / "moot.jsonl").read_text()
    own.run_missing(tmp_path, "moot", tasks, names, range(1), stop_s=60)
    assert (tmp_path / "moot.jsonl").read_text() == lines
    runs = own.load(tmp_path, "moot")
    assert {name for _, name, _ in runs} == set(names)
    assert all(np.all(np.diff(r["regret"]) <= 0) for r in runs.values())
    assert len({r["values"][0] for r in runs.values()}) == 1, "all start from the same row"


def test_a_seed_counts_where_every_optimizer_ran_it_to_the_mark() -> None:
    class Small:
        name = "a"

    def run(trials: int) -> dict[str, list[float]]:
        return {"values": [1.0] * trials, "regret": [1.0] * trials}

    runs = {("a", "x", 0): run(5), ("a", "y", 0): run(5), ("a", "x", 1): run(5), ("a", "y", 1): run(3)}
    assert own.seeds(runs, Small(), ["x", "y"], 5) == {0}
    assert own.seeds(runs, Small(), ["x", "y"], 3) == {0, 1}


def test_levels_of_numbers_are_ordered_and_a_score_is_the_mean_over_seeds() -> None:
    class Benchmark:
        directions: ClassVar = {"val_acc": "maximize"}
        search_space: ClassVar = {"width": [16, 32], "op": ["a", "b"]}
        _dataset_name = "small"
        _dataset: ClassVar = {
            "00": {"val_acc": [0.9, 0.7]}, "01": {"val_acc": [0.5, 0.5]},
            "10": {"val_acc": [0.6, 0.6]}, "11": {"val_acc": [0.4, 0.2]},
        }  # fmt: skip

    task = tabular.task("Kind", Benchmark())
    assert [p.ordered for p in task.case.problem.space.parameters] == [True, False]
    assert task.regret({"width": 16, "op": "a"}) == 0
    assert task.regret({"width": 32, "op": "b"}) == pytest.approx(0.5 / 0.25)
    assert task.case.evaluate({"width": 16, "op": "a"}).value in (-0.9, -0.7)


def test_a_hyperparameter_of_yahpo_keeps_its_scale_and_its_condition() -> None:
    described = {
        "name": "eta",
        "type": "uniform_float",
        "lower": 0.001,
        "upper": 1.0,
        "log": True,
        "default": 0.03,
    }
    parameter = yahpo.parameter(described, {"booster": ["dart", "gbtree"]})
    assert (parameter.low, parameter.high, parameter.log, parameter.default) == (0.001, 1.0, True, None)
    assert dict(parameter.when) == {"booster": ("dart", "gbtree")}


def test_a_function_of_bbob_is_scored_by_the_logarithm_of_its_distance_to_the_optimum() -> None:
    task = bbob.task("bowl", lambda x: x[0] ** 2 + 3.0, 3.0, 1, (3, 5, 10))
    assert task.regret({"x0": 0.0}) == -8
    assert task.regret({"x0": 10**0.5}) == pytest.approx(1)
    assert task.trials == 10


def test_differences_are_paired_by_table() -> None:
    mean, low, high = report.difference([0.1, 0.3, 0.5], [0.2, 0.4, 0.6])
    assert (mean, low, high) == pytest.approx((-0.1, -0.1, -0.1))
    means = {"trialogue": {"a": 0.1, "b": 0.2}, "random": {"a": 0.4, "b": 0.1, "c": 0.9}}
    assert report.common(means) == ["a", "b"]
    assert report.lines(means, 6)[0].startswith("| 6 | trialogue | 0.150 | 1.50 |")


def test_an_interval_over_seeds_counts_each_table_once() -> None:
    assert report.over_seeds([[0.1, 0.1], [0.3]]) == pytest.approx((0.2, 0.2, 0.2))
    mean, low, high = report.over_seeds([[0.0, 1.0] * 10])
    assert low < mean == 0.5 < high


def test_a_picture_has_a_panel_for_each_group_that_all_ran(table: moot.Table) -> None:
    tasks = [table.task((3,))]
    runs = {
        ("small", name, 0): {"values": [1.0] * 3, "regret": curve}
        for name, curve in {"trialogue": [1.0, 0.5, 0.0], "random": [1.0, 1.0, 0.9]}.items()
    }
    assert picture.curves(runs, tasks, ["trialogue", "random"])["trialogue"].tolist() == [1.0, 0.5, 0.0]
    assert picture.drawn(runs, tasks, ["trialogue", "random"]).count("<polyline") == 2
    assert "<polyline" not in picture.drawn(runs, tasks, ["trialogue", "hebo"])


def test_generated_problems_of_choices_are_the_same_for_the_same_number() -> None:
    first, again = (choices.mixed("mixed-3", np.random.default_rng(3)) for _ in range(2))
    params = {**{f"c{i}": "v1" for i in range(4)}, "x": 0.5, "y": 0.25}
    assert first.group == "mixed"
    assert first.case.evaluate(params) == again.case.evaluate(params)
    assert first.regret(params) >= 0


def test_a_cell_whose_nodes_nothing_connects_stands_at_the_floor() -> None:
    sizes, loss = choices.cell(np.random.default_rng(0))
    cut, through = loss(np.array([[0] * 6, [0, 0, 2, 0, 0, 0]]))
    assert sizes == [5] * 6
    assert cut == 90.0 > through
