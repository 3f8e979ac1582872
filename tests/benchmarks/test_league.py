"""The league's own arithmetic: tables read and scored, published runs looked up, paired differences."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("benchmarks/ is not shipped with the wheel", allow_module_level=True)
sys.path[:0] = [str(BENCHMARKS)]

from league import moot, neo, own, report  # noqa: E402

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
    own.run_missing(tmp_path, [table], seeds=1, trials=3, stop_s=60)
    lines = (tmp_path / "moot.jsonl").read_text()
    own.run_missing(tmp_path, [table], seeds=1, trials=3, stop_s=60)
    assert (tmp_path / "moot.jsonl").read_text() == lines
    runs = own.load(tmp_path)
    assert {name for _, name, _ in runs} == set(own.NAMES)
    assert all(np.all(np.diff(r["regret"]) <= 0) for r in runs.values())


def test_differences_are_paired_by_table() -> None:
    mean, low, high = report.difference([0.1, 0.3, 0.5], [0.2, 0.4, 0.6])
    assert (mean, low, high) == pytest.approx((-0.1, -0.1, -0.1))
    means = {"trialogue": {"a": 0.1, "b": 0.2}, "random": {"a": 0.4, "b": 0.1, "c": 0.9}}
    assert report.common(means) == ["a", "b"]
    assert report.lines(means, 6)[0].startswith("| 6 | trialogue | 0.150 | 1.50 |")
