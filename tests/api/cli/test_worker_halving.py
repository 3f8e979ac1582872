"""Successive halving under real workers: two processes climb one ladder, and one of them is killed within a rung."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import trialogue as tl
from trialogue.agent.ledger.records import Failure
from trialogue.agent.lineage import member_of

pytestmark = pytest.mark.slow

_TRAIN = """
import os, time
def train(params, run):
    if params["epochs"] == 3 and not os.path.exists("killed"):
        try:
            with open("victim", "x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            pass
        else:
            time.sleep(600)
    return (params["x"] - 0.3) ** 2 + 1 / params["epochs"]
"""
_STUDY = """
[problem]
[parameters.x]
type = "float"
low = 0
high = 1
[parameters.epochs]
type = "int"
low = 1
high = 9
[fidelity]
name = "epochs"
[evaluator]
function = "train.py:train"
"""
TRIALS = 16


def _worker(folder: Path, url: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "trialogue.api",
        "worker",
        "--study",
        "ladder",
        "--evaluator",
        "study.toml",
    ]
    return subprocess.Popen([*command, "--storage", url, "--once"], cwd=folder, text=True)


@pytest.mark.parametrize("strategy", ["asha:random", "hyperband:random"])
def test_a_killed_worker_s_rung_is_run_again_and_no_rung_twice(tmp_path: Path, strategy: str) -> None:
    (tmp_path / "train.py").write_text(_TRAIN)
    (tmp_path / "study.toml").write_text(_STUDY)
    url = f"sqlite:///{tmp_path}/study.db"
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("epochs", 1, 9)])
    problem = tl.Problem("study", space, fidelity=tl.Fidelity("epochs"))
    budget = tl.Budget(trials=TRIALS)
    tl.Study(problem, name="ladder", storage=url, seed=0, strategy=strategy, budget=budget)
    workers = [_worker(tmp_path, url) for _ in range(2)]
    victim, waited = tmp_path / "victim", 0.0
    while not (victim.exists() and victim.read_text()) and waited < 300:
        time.sleep(0.1)
        waited += 0.1
    dead = int(victim.read_text())
    assert dead in {w.pid for w in workers}
    (tmp_path / "killed").touch()
    os.kill(dead, signal.SIGKILL)
    ended = {w.pid: w.wait(timeout=300) for w in workers}
    assert ended.pop(dead) == -signal.SIGKILL
    assert [*ended.values()] == [0]
    assert _worker(tmp_path, url).wait(timeout=300) == 0

    study = tl.Study.load("ladder", storage=url)
    assert Counter(t.state for t in study.trials) == {"finished": TRIALS, "failed": 1}
    (lost,) = (t for t in study.trials if t.state == "failed")
    assert isinstance(lost.ending, Failure)
    assert lost.ending.kind == "lost"
    again = [t for t in study.trials if t.state == "finished" and t.params == lost.params]
    assert len(again) == 1
    rungs = Counter((member_of(t.source), t.params["epochs"]) for t in study.trials if t.state == "finished")
    assert set(rungs.values()) == {1}
    assert study.best_trial.params["epochs"] == max(t.params["epochs"] for t in study.trials)
