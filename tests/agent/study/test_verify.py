"""A study's winner is run again beside the default: fresh runs, kept in the ledger, resumed, ended early either way."""

import re

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.certainty.of_study import certainty_of, outcomes
from trialogue.agent.certainty.verdict import Certified
from trialogue.agent.errors import NoFeasibleTrial, TrialNotFound
from trialogue.agent.study.verify import VerificationPlan, open_verification
from trialogue.serving.errors import InvalidInput

SPACE = tl.SearchSpace([tl.Float("x", 0, 1, default=0.5)])
PROBLEM = tl.Problem("speed", SPACE, [tl.Objective("tok_s", "maximize")])


class Machine:
    """A noisy evaluator; ``gain`` is what x = 1 is better by than x = 0."""

    def __init__(self, gain: float, noise: float = 1.0, seed: int = 0) -> None:
        self.gain, self.noise, self.calls = gain, noise, []
        self._rng = np.random.default_rng(seed)

    def __call__(self, params):
        self.calls.append(params["x"])
        return 100 + self.gain * params["x"] + self.noise * self._rng.standard_normal()


def searched(evaluate, storage=None, n=8, problem=PROBLEM):
    study = tl.Study(problem, storage=storage, strategy="random")
    study.add({"x": 0.5}, evaluate({"x": 0.5}))
    study.run(evaluate, n)
    return study


def test_a_real_gain_is_certified_with_fresh_runs_in_turns():
    machine = Machine(gain=20)
    study = searched(machine)
    machine.calls.clear()
    found = study.verify(machine)
    assert found.recommendation == "change"
    best = study.best_trial.params["x"]
    assert len(machine.calls) < 40
    assert machine.calls.count(best) == machine.calls.count(0.5) == len(found.runs)
    pairs = [set(machine.calls[i : i + 2]) for i in range(0, len(machine.calls), 2)]
    assert pairs == [{best, 0.5}] * len(found.runs)
    assert len({machine.calls[i] for i in range(0, len(machine.calls), 2)}) == 2  # either may be the first


def test_luck_is_told_as_no_change():
    machine = Machine(gain=0)
    study = searched(machine)
    found = study.verify(machine)
    assert found.recommendation == "no change"
    assert found.searched is not None
    assert found.searched > 1


def test_the_study_itself_stays_as_it_was():
    machine = Machine(gain=20)
    study = searched(machine)
    before = (study.trials, study.budget)
    study.verify(machine)
    assert (study.trials, study.budget) == before


def test_a_verification_goes_on_where_it_ended(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    machine = Machine(gain=3)
    searched(machine, url)

    def dying(params):
        if len(machine.calls) > 14:
            raise KeyboardInterrupt
        return machine(params)

    with pytest.raises(KeyboardInterrupt):
        tl.Study.load("speed", storage=url).verify(dying)
    there = outcomes(tl.Study.load("speed", storage=url).ledger, "speed")[0]
    assert there.recommendation == "open"
    found = tl.Study.load("speed", storage=url).verify(machine)
    assert found.runs[: len(there.runs)] == there.runs
    calls = len(machine.calls)
    assert tl.Study.load("speed", storage=url).verify(machine).runs == found.runs
    assert len(machine.calls) == calls


def test_more_pairs_go_on_but_the_plan_stays():
    machine = Machine(gain=2.2)
    study = searched(machine)
    short = study.verify(machine, pairs=6)
    longer = study.verify(machine, pairs=30)
    assert longer.pairing.plan == short.pairing.plan
    assert longer.pairing.until == 30
    with pytest.raises(InvalidInput, match="planned before the first run"):
        study.verify(machine, least=1.1)


def test_any_two_trials_can_be_compared():
    machine = Machine(gain=20)
    study = searched(machine)
    worst = min(study.trials, key=lambda r: r.value or 0)
    found = study.verify(machine, worst.number, against=study.best_trial.number)
    assert (found.recommendation, found.pairing.baseline.is_default) == ("no change", False)


def test_a_default_that_is_best_needs_no_runs():
    study = tl.Study(PROBLEM)
    study.add({"x": 0.5}, 100.0)
    found = study.verify(lambda params: pytest.fail("nothing is to be run"))
    assert (found.recommendation, found.reason) == ("no change", "no trial was better than the default")


def test_runs_differ_in_their_seeds_from_those_of_the_search():
    seeds = []

    def evaluate(params, run):
        seeds.append(run.seed)
        return params["x"] + run.seed % 7

    study = tl.Study(PROBLEM, strategy="random")
    study.run(evaluate, 30)
    before = set(seeds)
    seeds.clear()
    study.verify(evaluate)
    assert not before & set(seeds)


def test_workers_on_the_verification_share_its_runs(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    machine = Machine(gain=20)
    study = searched(machine, url)
    opened = open_verification(study, VerificationPlan())
    assert not isinstance(opened, Certified)
    end = tl.Study.load(opened.name, storage=url).run(machine, workers=4)
    assert re.search("change recommended", end.why)
    assert {t.source for t in tl.Study.load(opened.name, storage=url).trials} == {"verification"}


def test_what_cannot_be_verified_is_refused_in_words():
    study = tl.Study(PROBLEM)
    with pytest.raises(NoFeasibleTrial):
        study.verify(lambda p: 1.0)
    study.add({"x": 0.2}, 1.0)
    with pytest.raises(TrialNotFound):
        study.verify(lambda p: 1.0, 7)
    with pytest.raises(InvalidInput, match="`pairs` must be >= 5"):
        study.verify(lambda p: 1.0, pairs=2)
    with pytest.raises(InvalidInput, match=r"is a ratio here and must be >= 1, got 0\.5"):
        study.verify(lambda p: 1.0, least=0.5)
    for pairs in ("20", 20.5, None):
        with pytest.raises(InvalidInput, match="`pairs` must be a whole number"):
            study.verify(lambda p: 1.0, pairs=pairs)


def test_a_trial_against_itself_is_said_to_be_one_configuration():
    study = tl.Study(PROBLEM)
    study.add({"x": 0.2}, 1.0)
    found = study.verify(lambda p: 1.0, 0, against=0)
    assert (found.recommendation, found.reason) == ("no change", "both are one configuration")
    with pytest.raises(InvalidInput, match=r"no pair of .* is complete yet"):
        found.percentile(0.5)


def test_several_objectives_are_verified_one_at_a_time():
    two = tl.Problem("two", SPACE, [tl.Objective("a"), tl.Objective("b", "maximize")])
    study = tl.Study(two, strategy="random")
    study.run(lambda p: (p["x"], p["x"]), 3)
    with pytest.raises(InvalidInput, match="no single best trial"):
        study.verify(lambda p: (p["x"], p["x"]))
    opened = open_verification(study, VerificationPlan(candidate=1, objective=1))
    assert not isinstance(opened, Certified)
    assert opened.name == "two-verify-1-1"


def test_what_is_certain_about_the_best_is_told():
    machine = Machine(gain=20)
    study = searched(machine)
    unknown = certainty_of(study.ledger, study.stored)
    assert unknown is not None
    assert unknown.text == (
        "Not verified by fresh runs. Nothing was run twice, so its noise is unknown, and with it how much of the lead is luck."
    )
    study.verify(machine)
    known = certainty_of(study.ledger, study.stored)
    assert known is not None
    assert known.noise is not None
    assert 0.5 < known.noise.sd < 1.6
    assert "change recommended" in known.text
    assert "±" in known.text


def test_standard_errors_are_noise_that_is_known():
    study = tl.Study(PROBLEM, strategy="random")
    study.run(lambda p: tl.Measurement(100 + p["x"], 2.0), 12)
    found = certainty_of(study.ledger, study.stored)
    assert found is not None
    assert (found.known_from, found.noise and found.noise.sd) == ("standard errors", 2.0)
    assert found.luck is not None
    assert 0 < found.luck < 1


def test_nothing_is_certain_before_there_is_a_best():
    study = tl.Study(PROBLEM)
    assert certainty_of(study.ledger, study.stored) is None
