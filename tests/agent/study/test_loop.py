import _thread
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from contracts import evaluations
from contracts.study import problem

import trialogue as tl
from trialogue.agent.contracts import Ask, Decision, Plan
from trialogue.agent.errors import ExecutorBroken
from trialogue.agent.ledger.records import Pruned
from trialogue.agent.study.study import Study
from trialogue.evaluators.programs.command import Command
from trialogue.evaluators.programs.run import Run
from trialogue.serving.errors import InvalidInput


def test_threads_evaluate_side_by_side() -> None:
    study = tl.Study(problem(), strategy="random")
    together = threading.Barrier(3, timeout=10)

    def evaluate(params: dict[str, Any]) -> float:
        together.wait()
        return params["C"]

    assert study.run(evaluate, n_trials=6, workers=3).trials == 6
    assert [t.state for t in study.trials] == ["finished"] * 6


def test_any_executor_serves() -> None:
    study = tl.Study(problem(), strategy="random")
    with ThreadPoolExecutor(2) as executor:
        end = study.run(evaluations.cost, n_trials=5, executor=executor)
    assert (end.trials, end.why) == (5, "the number of trials asked for is reached")


@pytest.mark.slow
def test_processes_evaluate_report_and_are_pruned(tmp_path: Path) -> None:
    pruner = optuna.pruners.ThresholdPruner(lower=0.5)
    study = Study(problem(), storage=f"sqlite:///{tmp_path}/s.db", strategy="random", pruner=pruner)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        study.run(evaluations.reporting, n_trials=2, executor=executor)
        assert [t.state for t in study.trials] == ["pruned"] * 2
        in_memory = tl.Study(problem(), strategy="random")
        in_memory.run(evaluations.cost, n_trials=1, executor=executor)
        assert "storage=" in in_memory.trials[0].failure.reason  # pyright: ignore[reportOptionalMemberAccess]
        with pytest.raises(ExecutorBroken, match="pickle"):
            in_memory.run(lambda params: 1.0, n_trials=2, executor=executor)
    assert "running" not in {t.state for t in in_memory.trials}


@pytest.mark.slow
def test_a_broken_executor_leaves_no_trial_running() -> None:
    study = tl.Study(problem(), strategy="random")
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor,
        pytest.raises(ExecutorBroken, match="new one"),
    ):
        study.run(evaluations.die, n_trials=6, executor=executor)
    assert {t.state for t in study.trials} == {"failed"}
    assert {t.failure.kind for t in study.trials if t.failure} == {"lost"}
    assert study.run(lambda params: 1.0, n_trials=1).trials == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_a_clean_ledger(workers: int) -> None:
    study = tl.Study(problem(), strategy="random")
    released, once, busy = threading.Event(), threading.Lock(), threading.Barrier(workers)

    def evaluate(params: dict[str, Any]) -> float:
        if len(study.trials) >= 3:
            busy.wait(20)  # while all are busy the loop only waits: it is not in the middle of asking
            if once.acquire(blocking=False):  # a second Ctrl-C would cut the cleaning short
                time.sleep(0.1)
                _thread.interrupt_main()
            if workers == 1:
                time.sleep(5)
            else:
                released.wait(5)
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        study.run(evaluate, n_trials=20, workers=workers)
    released.set()
    assert "running" not in {t.state for t in study.trials}
    last = study.trials[-1].failure
    assert last is not None
    assert last.kind == "lost"
    assert "Ctrl-C" in last.reason


def test_time_ends_a_run_and_running_trials_are_waited_for() -> None:
    study = tl.Study(problem(), strategy="random")
    end = study.run(lambda params: time.sleep(0.4) or 1.0, seconds=2.0, workers=2)
    assert end.why == "the 2 seconds are over"
    assert end.trials == len(study.trials)
    assert {t.state for t in study.trials} == {"finished"}


def test_the_end_of_a_space_ends_a_run() -> None:
    study = tl.Study(tl.Problem("tiny", tl.SearchSpace([tl.Int("k", 1, 3)])), strategy="random")
    end = study.run(lambda params: float(params["k"]), n_trials=10)
    assert end.trials == 3
    assert study.best_trial.params == {"k": 1}


def test_seeds_of_evaluations_are_the_study_s() -> None:
    def seeds() -> list[int]:
        found: list[int] = []
        tl.Study(problem(), seed=3, strategy="random").run(
            lambda params, run: found.append(run.seed) or 1.0, n_trials=3
        )
        return found

    assert seeds() == seeds()
    assert len(set(seeds())) == 3


def test_a_working_folder_can_be_kept(tmp_path: Path) -> None:
    study = tl.Study(problem(), strategy="random")

    def evaluate(params: dict[str, Any], run: Any) -> float:
        (run.workdir / "log.txt").write_text("hello")
        return 1.0

    study.run(evaluate, n_trials=2, workdir=tmp_path)
    assert sorted(p.parent.name for p in tmp_path.glob("*/log.txt")) == ["trial-00000", "trial-00001"]


def test_a_trial_told_by_somebody_else_stands(caplog: pytest.LogCaptureFixture) -> None:
    study = tl.Study(problem(), strategy="random")

    def evaluate(params: dict[str, Any]) -> float:
        study.tell(len(study.trials) - 1, 42.0)
        return 1.0

    end = study.run(evaluate, n_trials=1)
    assert study.best_trial.value == 42.0
    assert end.trials == 0
    assert "first result stands" in caplog.text


def test_a_callback_that_raises_leaves_no_trial_running() -> None:
    study = tl.Study(problem(), strategy="random")

    def on_trial(record: Any) -> None:
        raise RuntimeError("the table is full")

    with pytest.raises(RuntimeError, match="table"):
        study.run(lambda params: 1.0, n_trials=5, workers=2, on_trial=on_trial)
    assert "running" not in {t.state for t in study.trials}


@pytest.mark.parametrize(
    "options", [{"n_trials": -1}, {"n_trials": 1.5}, {"seconds": "1"}, {"n_trials": 1, "workers": 0}]
)
def test_bad_options_are_said_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        tl.Study(problem(), strategy="random").run(lambda params: 1.0, **options)
    with pytest.raises(InvalidInput, match="function of the parameters"):
        tl.Study(problem(), strategy="random").run(3, n_trials=1)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_a_program_ends_at_ctrl_c_though_evaluations_go_on(tmp_path: Path) -> None:
    code = f"""
import time, trialogue as tl
from contracts.study import problem
study = tl.Study(problem(), name="a", storage="sqlite:///{tmp_path}/s.db", strategy="random")
def evaluate(params):
    print("evaluating", flush=True)
    time.sleep(60)
study.run(evaluate, n_trials=4, workers=2)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - start < 20
    assert "KeyboardInterrupt" in errors
    trials = Study.load("a", storage=f"sqlite:///{tmp_path}/s.db", reap=False).trials
    assert [t.failure.reason for t in trials if t.failure] == ["interrupted by the user (Ctrl-C)"] * 2


def test_a_result_is_in_the_ledger_while_the_next_decision_is_still_made() -> None:
    seen: list[str] = []

    class Thinking:
        name = "thinking"

        def plan(self, ask: Ask) -> Plan:
            if ask.index == 2:  # both workers are busy, and one of them ends
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline and study.trial(0).state == "running":
                    time.sleep(0.01)
                seen.append(study.trial(1).state)
                release.set()
                while time.monotonic() < deadline and study.trial(1).state == "running":
                    time.sleep(0.01)
                seen.append(study.trial(1).state)
            params = {"kernel": "linear", "C": 1.0 + ask.index}
            return Plan((Decision(params, "test", "next", "own"),))

    release = threading.Event()
    study = tl.Study(problem(), strategy=Thinking())

    def evaluate(params: dict[str, Any]) -> float:
        assert params["C"] != 2.0 or release.wait(10)
        return params["C"]

    numbers: list[int] = []
    study.run(evaluate, n_trials=3, workers=2, on_trial=lambda record: numbers.append(record.number))
    assert seen == ["running", "finished"]
    assert sorted(numbers) == [0, 1, 2]
    assert [e.kind for e in study.events()].count("told") == 3


def test_a_reported_metric_beyond_its_limit_ends_the_trial_and_the_reason_is_kept(tmp_path: Path) -> None:
    def evaluate(params: dict[str, Any], run: Run) -> float:
        for epoch in range(5):
            if run.report(epoch, 0.5, memory_gb=10.0 * epoch):
                return math.nan
        return 1.0

    rules = tl.StudyProtocol(stop=["memory_gb <= 20"])
    storage = f"sqlite:///{tmp_path}/s.db"
    study = tl.Study(problem(), storage=storage, strategy="random", protocol=rules)
    study.run(evaluate, n_trials=2)
    again = tl.Study.load(study.name, storage=storage)
    assert again.protocol.stop == ("memory_gb <= 20",)
    assert {t.state for t in again.trials} == {"pruned"}
    assert again.trials[0].ending == Pruned(3, 0.5, "memory_gb = 30 breaks 'memory_gb <= 20'")


def test_a_command_reports_metrics_beside_its_value() -> None:
    told = {"step": 3, "value": 0.5, "gb": 90, "kernel": "x"}
    lines = f"import time; print({json.dumps(json.dumps(told))}, flush=True); time.sleep(60)"
    command = Command([sys.executable, "-c", lines, "{C}", "{kernel}"])
    study = tl.Study(problem(), strategy="random", protocol=tl.StudyProtocol(stop=["gb <= 80"]))
    study.run(command, n_trials=1)
    assert study.trials[0].ending == Pruned(3, 0.5, "gb = 90 breaks 'gb <= 80'")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_trial_worse_than_the_median_of_a_metric_is_stopped(workers: int) -> None:
    def evaluate(params: dict[str, Any], run: Run) -> float:
        for step in range(3):
            if run.report(step, 0.0, norm=params["C"] * step):
                return math.nan
        return params["C"]

    rules = tl.StudyProtocol(stop=["norm <= median from 1"])
    study = tl.Study(problem(), strategy="random", protocol=rules)
    study.run(evaluate, n_trials=20, workers=workers)
    finished = {t.number: t.value for t in study.trials if isinstance(t.ending, tl.Measurement)}
    stopped = [t for t in study.trials if isinstance(t.ending, Pruned)]
    assert set(range(5)) <= finished.keys()
    assert stopped
    for trial in stopped:
        before = [value or 0.0 for n, value in finished.items() if n < trial.number]
        assert workers > 1 or trial.params["C"] > np.median(before)
        assert isinstance(trial.ending, Pruned)
        assert "which is" in trial.ending.why
    (first, *_) = (t.ending.metrics for t in study.trials if isinstance(t.ending, tl.Measurement))
    assert json.loads(str(first["norm by step"]))["2"] == pytest.approx(2 * (finished[0] or 0.0))


def test_a_rule_that_is_none_is_refused_when_the_study_is_made() -> None:
    with pytest.raises(InvalidInput, match="constraint"):
        tl.Study(problem(), protocol=tl.StudyProtocol(stop=["memory"]))
