"""What is kept in a tuning's folder: pairs of a verification, the question, the limits; and budgets that are spent."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agent.tuning.test_tuner import SPACE, SimulatedTarget
from trialogue.agent.tuning.plan import TuningOutcome, TuningPlan
from trialogue.agent.tuning.state import TuningState
from trialogue.agent.tuning.tuner import ABLATION, Tuning
from trialogue.agent.tuning.verification import Verification
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.attempt import Attempt
from trialogue.evaluators.servers.metrics import objective_named, parse_limit
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.errors import InvalidInput
from trialogue.serving.servers.load import LoadResult

TOKENS = objective_named("output_tok_s")
PLAN = TuningPlan("model", TOKENS, trials=11, budget_s=5000)


def tuning(target: SimulatedTarget, plan: TuningPlan = PLAN, **given: Any) -> Tuning:
    space = given.pop("space", SPACE)
    say = given.pop("say", lambda line: None)
    return Tuning(plan, target, space, say=say, **given)


def spent(folder: Path, used_s: float = 1e6) -> None:
    """Let the budget be used up between two runs."""
    state = TuningState.read(folder / "tuning.json")
    state.used_s = used_s
    state.write(folder / "tuning.json")


def ordinary(target: SimulatedTarget) -> int:
    return sum(c.startswith("ordinary") for c in target.commands)


def test_a_verified_change_is_said_again_without_a_server_when_the_budget_is_spent(tmp_path: Path) -> None:
    first = tuning(SimulatedTarget(tmp_path)).run()
    spent(tmp_path)
    again, said = SimulatedTarget(tmp_path), list[str]()
    second = tuning(again, say=said.append).run()
    assert said[0].startswith("default, as measured before: ")
    assert again.commands == []
    assert second.verdict == first.verdict
    assert second.verdict.recommendation == "change"
    assert second.command == first.command
    assert second.best_runs == first.best_runs


def interrupted(folder: Path, line: str) -> SimulatedTarget:
    def say(told: str) -> None:
        if told.startswith(line):
            raise KeyboardInterrupt

    target = SimulatedTarget(folder)
    with pytest.raises(KeyboardInterrupt):
        tuning(target, say=say).run()
    return target


def test_an_interrupted_verification_goes_on_with_the_next_pair(tmp_path: Path) -> None:
    class Impatient(SimulatedTarget):
        """Ctrl-C while the third pair is measured."""

        def measure(self, params: Any, **more: Any) -> Attempt:
            if more.get("rung") == "ordinary" and ordinary(self) == 4:
                raise KeyboardInterrupt
            return super().measure(params, **more)

    with pytest.raises(KeyboardInterrupt):
        tuning(Impatient(tmp_path)).run()
    (kept,) = TuningState.read(tmp_path / "tuning.json").verified.values()
    assert len(kept.default) == len(kept.candidate) == 2
    target = SimulatedTarget(tmp_path)
    outcome = tuning(target).run()
    assert ordinary(target) == 2
    assert len(outcome.best_runs) == 3
    assert [dict(r) for r in outcome.best_runs[:2]] == kept.candidate
    assert outcome.verdict.recommendation == "change"


def test_an_interrupted_verification_goes_on_though_the_budget_is_spent(tmp_path: Path) -> None:
    interrupted(tmp_path, "verify 2/3")
    spent(tmp_path)
    said: list[str] = []
    target = SimulatedTarget(tmp_path)
    outcome = tuning(target, say=said.append).run()
    assert ordinary(target) == 2
    assert len(outcome.best_runs) > 1
    assert all(line.endswith("budget spent") for line in said)


def test_pairs_measured_in_another_way_do_not_count(tmp_path: Path) -> None:
    tuning(SimulatedTarget(tmp_path), replace(PLAN, verify_rung="fork")).run()
    target = SimulatedTarget(tmp_path)
    tuning(target).run()
    assert ordinary(target) == 6


def test_more_pairs_can_be_asked_for_afterwards(tmp_path: Path) -> None:
    tuning(SimulatedTarget(tmp_path)).run()
    target = SimulatedTarget(tmp_path)
    outcome = tuning(target, replace(PLAN, pairs=5)).run()
    assert ordinary(target) == 4
    assert len(outcome.best_runs) == 5


@pytest.mark.parametrize(
    ("budget_s", "told"),
    [(30.0, r"do not fit in 30 s; .* `--budget` of at least (\d+) s"), (150.0, r"at least (\d+) s")],
)
def test_a_budget_in_which_nothing_fits_is_a_verdict_of_its_own(
    budget_s: float, told: str, tmp_path: Path
) -> None:
    outcome = tuning(SimulatedTarget(tmp_path), replace(PLAN, budget_s=budget_s)).run()
    assert outcome.verdict.recommendation == "nothing tried"
    found = re.search(told, outcome.verdict.reason)
    assert found
    enough = tuning(SimulatedTarget(tmp_path), replace(PLAN, budget_s=float(found[1]) + 5)).run()
    assert enough.verdict.recommendation == "change"  # in the same folder, with the default that is known


def test_a_small_budget_keeps_time_for_fewer_pairs(tmp_path: Path) -> None:
    usual, small = (tuning(SimulatedTarget(tmp_path), replace(PLAN, budget_s=b)) for b in (5000.0, 250.0))
    usual.measure_default()
    small.state = small.measures.state = small.clock._state = usual.state
    assert usual.clock.reserved_pairs == 3
    assert small.clock.reserved_pairs == 2
    assert small.clock.time_for_trial


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"workload": Workload.parse("prefix")}, "workload was 'chat', now 'prefix'"),
        ({"model": "other"}, "model was 'model', now 'other'"),
        ({"fixed": {"dtype": "bfloat16"}}, "fixed flags was {}, now {'dtype': 'bfloat16'}"),
        ({"variables": {"A": "1"}}, "variables was {}, now {'A': '1'}"),
        ({"guard": True}, "lossy was False, now True"),
    ],
)
def test_a_folder_of_another_question_is_refused_in_words(
    changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    tuning(SimulatedTarget(tmp_path), replace(PLAN, trials=2)).measure_default()
    other = SimulatedTarget(tmp_path)
    other.settings = replace(other.settings, **changed)
    with pytest.raises(InvalidInput, match=f"another tuning: .*{told}.*another `--folder`"):
        tuning(other)


def test_other_limits_knobs_or_machines_are_another_question_and_another_budget_is_not(
    tmp_path: Path,
) -> None:
    limited = replace(PLAN, limits=(parse_limit("tpot_p99_ms<=0.75x"),))
    tuning(SimulatedTarget(tmp_path), limited, context={"vllm": "1"}).measure_default()
    with pytest.raises(InvalidInput, match=r"tpot_p99_ms<=0\.75x.*tpot_p99_ms<=0\.5x"):
        tuning(
            SimulatedTarget(tmp_path), replace(PLAN, limits=(("tpot_p99_ms", 0.5),)), context={"vllm": "1"}
        )
    with pytest.raises(InvalidInput, match="vllm was '1', now '2'"):
        tuning(SimulatedTarget(tmp_path), limited, context={"vllm": "2"})
    space = SearchSpace([Categorical("block_size", [64, 128], default=128)])
    with pytest.raises(InvalidInput, match="knobs was"):
        tuning(SimulatedTarget(tmp_path), limited, context={"vllm": "1"}, space=space)
    tuning(SimulatedTarget(tmp_path), replace(limited, budget_s=9.0, pairs=5), context={"vllm": "1"})


def test_limits_in_another_order_are_the_same_question(tmp_path: Path) -> None:
    limits = (parse_limit("tpot_p99_ms<=0.75x"), parse_limit("output_tok_s>=9"))
    first = tuning(SimulatedTarget(tmp_path), replace(PLAN, limits=limits, trials=2)).run()
    second = tuning(SimulatedTarget(tmp_path), replace(PLAN, limits=limits[::-1], trials=2)).run()
    assert set(second.limits) == set(first.limits)


def test_relative_limits_stay_what_they_were_when_the_default_is_measured_again(tmp_path: Path) -> None:
    class Warming(SimulatedTarget):
        """Everything gets faster with every start."""

        def _result(self) -> LoadResult:
            usual = super()._result()
            faster = usual.metrics["output_tok_s"] * (1 + 0.05 * len(self.commands))
            return replace(usual, metrics={**usual.metrics, "output_tok_s": faster})

    plan = replace(PLAN, limits=(parse_limit("output_tok_s>=0.9x"),), trials=4, default_every=1)
    first = tuning(Warming(tmp_path), plan).run()
    again = [r["output_tok_s"] for r in TuningState.read(tmp_path / "tuning.json").default[3:]]
    second = tuning(Warming(tmp_path), replace(plan, trials=7)).run()
    assert second.limits == first.limits
    assert first.limits[0].lower is not None
    assert min(again) > 1.2 * first.limits[0].lower
    assert sum(t.source not in ("default", ABLATION) for t in second.study.trials) == 7


@pytest.mark.parametrize(
    "text",
    [
        '{"default": [',
        "[]",
        '{"other": 1}',
        '{"verified": {}, "default": [1]}',
        '{"verified": {"a": {"b": 1}}}',
        "",
    ],
)
def test_a_torn_or_foreign_state_gives_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"cannot be read.*another `--folder`"):
        tuning(SimulatedTarget(tmp_path))


def test_a_study_without_a_state_is_refused(tmp_path: Path) -> None:
    tuning(SimulatedTarget(tmp_path), replace(PLAN, trials=2)).run()
    (tmp_path / "tuning.json").unlink()
    with pytest.raises(InvalidInput, match=r"study\.db but no tuning\.json"):
        tuning(SimulatedTarget(tmp_path))


def test_a_change_that_was_verified_is_found_again_behind_new_trials(tmp_path: Path) -> None:
    """The limit keeps out what is fastest; a larger search finds more, and the verified one still counts."""
    plan = replace(PLAN, limits=(Constraint("tpot_p99_ms", upper=5.0),), trials=8)
    first = tuning(SimulatedTarget(tmp_path), plan).run()
    second: TuningOutcome = tuning(SimulatedTarget(tmp_path), replace(plan, trials=11)).run()
    assert (first.verdict.recommendation, second.verdict.recommendation) == ("change", "change")
    state = json.loads((tmp_path / "tuning.json").read_text())
    assert all(len(p["default"]) == len(p["candidate"]) for p in state["verified"].values())


def test_a_verification_that_was_begun_goes_on_though_the_default_is_now_believed_better(
    tmp_path: Path,
) -> None:
    interrupted(tmp_path, "verify 2/3")
    again = tuning(SimulatedTarget(tmp_path))
    again.measure_default()
    study = again._study()
    default_first = sorted(again._ranked(study), key=lambda r: r.source != "default")
    said: list[str] = []
    verified = Verification(again.measures, SPACE, say=said.append, left_s=lambda: 1e3).first_better(
        default_first
    )
    assert verified.verdict.recommendation == "change"
    assert [line.partition(":")[0] for line in said[:1]] == ["verify 3/3"]


@pytest.mark.parametrize(("limit", "few"), [("tpot_p99_ms<=0.75x", True), ("tpot_p99_ms<=1.5x", False)])
def test_noise_asks_for_more_pairs_unless_the_default_breaks_a_limit(
    limit: str, few: bool, tmp_path: Path
) -> None:
    plan = replace(PLAN, limits=(parse_limit(limit),))
    outcome = tuning(SimulatedTarget(tmp_path, gain=0.0, noise=0.3), plan).run()
    assert (len(outcome.best_runs) == 3) == few


def test_records_say_which_trial_or_pair_they_are_of(tmp_path: Path) -> None:
    target = SimulatedTarget(tmp_path)
    tuning(target, replace(PLAN, trials=6)).run()
    assert target.labels[0] == "default"
    assert {"trial 1", "trial 2", "default again", "pair 1 default", "pair 3 candidate"} <= set(target.labels)
    assert not any(label == "" for label in target.labels)
