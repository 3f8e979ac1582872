"""Fewest changes: what the best configuration does not need is taken back, and what it needs is worth something."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.agent.tuning.test_tuner import SimulatedTarget
from trialogue.agent.ledger.records import TrialRecord
from trialogue.agent.study.study import Study
from trialogue.agent.tuning.contenders import changed, fewest_changes_first
from trialogue.agent.tuning.findings import ablation
from trialogue.agent.tuning.plan import TuningOutcome, TuningPlan
from trialogue.agent.tuning.tuner import ABLATION, Tuning
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.servers.metrics import Limit, objective_named, parse_limit
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.serving.servers.load import LoadResult
from trialogue.serving.servers.server import ServerSpec

IDLE = ("stream_interval", "watermark", "api_server_count")
WIDE = SearchSpace(
    [
        Categorical("max_num_seqs", [8, 32, 128], default=128, ordered=True),
        Categorical("block_size", [32, 64, 128], default=128, ordered=True),
        *(Categorical(name, [0, 1, 2], default=0, ordered=True) for name in IDLE),
    ]
)
TOKENS = objective_named("output_tok_s")


class Padded(SimulatedTarget):
    """As the simulated one, with three knobs that do nothing."""

    def spec(self, params: Any) -> ServerSpec:
        return ServerSpec("model", {k: v for k, v in params.items() if v != WIDE.default()[k]})


def tuned(target: SimulatedTarget, limits: tuple[Limit, ...] = (), trials: int = 16) -> TuningOutcome:
    plan = TuningPlan("model", TOKENS, limits, trials=trials, budget_s=5000)
    return Tuning(plan, target, WIDE, say=lambda line: None).run()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_knobs_that_do_nothing_are_not_recommended(seed: int, tmp_path: Path) -> None:
    target = Padded(tmp_path)
    target.rng = np.random.default_rng(seed)
    outcome = tuned(target)
    assert outcome.verdict.recommendation == "change"
    assert outcome.best is not None
    assert changed(outcome.best.params, WIDE.default()) == ["block_size"]
    assert outcome.best.params["block_size"] == 32


def test_what_each_change_is_worth_is_measured(tmp_path: Path) -> None:
    """Two changes are needed: 32 sequences for the limit, small blocks for the speed."""
    outcome = tuned(Padded(tmp_path), (parse_limit("tpot_p99_ms<=5"),))
    assert outcome.best is not None
    assert changed(outcome.best.params, WIDE.default()) == ["max_num_seqs", "block_size"]
    effects = dict(ablation(outcome.study, outcome.best.params))
    assert list(effects) == ["block_size", "max_num_seqs"]
    assert all(effect.measured for effect in effects.values())
    assert effects["block_size"].ratio == pytest.approx(1 / 1.5, rel=0.05)
    assert (effects["max_num_seqs"].note, effects["max_num_seqs"].ratio) == (
        "breaks a limit",
        pytest.approx(1.0, rel=0.05),
    )


def test_ablations_are_not_counted_as_trials_and_not_made_twice(tmp_path: Path) -> None:
    first = tuned(Padded(tmp_path))
    again = tuned(Padded(tmp_path))
    sources = [t.source for t in first.study.trials]
    assert sum(s not in ("default", ABLATION) for s in sources) == 16
    assert len(again.study.trials) == len(first.study.trials)


def test_a_change_that_fails_when_taken_back_is_needed(tmp_path: Path) -> None:
    class Fragile(Padded):
        """Small blocks do not start with the usual number of sequences."""

        def measure(self, params: Any, **more: Any):
            bad = params["block_size"] < 128 and params["max_num_seqs"] == 128
            return super().measure({**params, "block_size": 16} if bad else params, **more)

    outcome = tuned(Fragile(tmp_path))
    assert outcome.best is not None
    assert changed(outcome.best.params, WIDE.default()) == ["max_num_seqs", "block_size"]
    assert dict(ablation(outcome.study, outcome.best.params))["max_num_seqs"].note.startswith("failed")


def trial(study: Study, number: int, **params: int) -> TrialRecord:
    study.add({**WIDE.default(), **params}, float(number))
    return study.trials[-1]


def test_equals_are_ordered_by_changes_and_the_default_only_where_it_is_best() -> None:
    study = Study(Problem("p", WIDE, [TOKENS]))
    default = trial(study, 1)
    one, two, three = (
        trial(study, 2, block_size=32),
        trial(study, 3, block_size=32, watermark=1),
        trial(study, 4, block_size=64, watermark=1, stream_interval=2),
    )
    worth = [100.0, 99.0, 98.0, 97.0]
    ranked = fewest_changes_first([three, two, one, default], worth, WIDE.default(), 0.02)
    assert [t.number for t in ranked] == [one.number, two.number, three.number, default.number]
    ranked = fewest_changes_first([three, two, one, default], worth, WIDE.default(), 0.05)
    assert [t.number for t in ranked][-1] == default.number
    assert fewest_changes_first([default, three], [9.0, 8.9], WIDE.default(), 0.5) == [default, three]
    assert fewest_changes_first([], [], WIDE.default(), math.inf) == []


def test_times_are_better_when_they_are_less(tmp_path: Path) -> None:
    class Timed(Padded):
        """A time that is the inverse of the speed."""

        def _result(self) -> LoadResult:
            usual = super()._result()
            return replace(
                usual, metrics={**usual.metrics, "ttft_p99_ms": 1e4 / usual.metrics["output_tok_s"]}
            )

    plan = TuningPlan("model", objective_named("ttft_p99_ms"), trials=16, budget_s=5000)
    outcome = Tuning(plan, Timed(tmp_path), WIDE, say=lambda line: None).run()
    assert outcome.best is not None
    assert changed(outcome.best.params, WIDE.default()) == ["block_size"]
