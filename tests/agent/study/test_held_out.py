"""A winner is scored on what the search has not seen: once, kept in the ledger, beside what tuning had shown."""

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.certainty.held_out import held_out_scores
from trialogue.agent.errors import StudyMismatch
from trialogue.serving.errors import InvalidInput

PROBLEM = tl.Problem(
    "noisy", tl.SearchSpace([tl.Float("x", 0, 1, default=0.5)]), [tl.Objective("y", "maximize")]
)
PROTOCOL = tl.StudyProtocol(seeds={"tuning": [0, 1], "test": list(range(100, 130))})


def luck(params, run):
    """Nothing but luck, of the seed and of the configuration."""
    return np.random.default_rng([run.seed, round(1e6 * params["x"])]).standard_normal()


def tuned(evaluate=luck, protocol=PROTOCOL, storage=None, n=20):
    study = tl.Study(PROBLEM, strategy="random", protocol=protocol, storage=storage)
    study.run(evaluate, n)
    return study


def test_luck_is_gone_on_unseen_seeds():
    study = tuned()
    score = study.test(luck)
    assert score.trial == study.best_trial.number
    assert score.tuned == study.best_trial.value > 1
    assert score.low < 0 < score.high
    assert score.optimism == pytest.approx(score.tuned - score.score)
    assert "30 unseen (seed 100" in str(score)


def test_a_score_to_minimize_is_flattered_downwards():
    problem = tl.Problem("loss", PROBLEM.space, [tl.Objective("loss")])
    study = tl.Study(problem, strategy="random", protocol=PROTOCOL)
    study.run(luck, 20)
    score = study.test(luck)
    assert score.optimism == pytest.approx(score.score - score.tuned)
    assert score.optimism > 0


def test_the_study_stays_and_the_test_is_made_once():
    study, seeds = tuned(), []
    before = study.trials

    def counted(params, run):
        seeds.append(run.seed)
        return luck(params, run)

    assert study.test(counted) == study.test(counted)
    assert seeds == list(range(100, 130))
    assert study.trials == before
    assert len(tl.Study.load("noisy-test", storage=study.ledger).trials) == 1


def test_a_second_candidate_is_told_to_be_one():
    study = tuned()
    study.test(luck)
    score = study.test(luck, 0)
    assert (score.trial, score.order) == (0, 1)
    assert "configuration 2 that was tested" in str(score)
    assert [s.trial for s in held_out_scores(study.ledger, study.stored)] == [study.best_trial.number, 0]


def test_a_failure_on_an_unseen_seed_is_told():
    def failing(params, run):
        if run.seed == 101:
            raise RuntimeError("diverged")
        return luck(params, run)

    score = tuned().test(failing)
    assert score.score is None
    assert "on seed 101" in str(score)


def test_an_interrupted_test_is_made_again(tmp_path):
    study = tuned(storage=f"sqlite:///{tmp_path}/s.db")

    def interrupted(params, run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.test(interrupted)
    assert study.test(luck).score is not None


def test_data_of_its_own_may_be_what_is_unseen():
    shift = {"train": 0.0, "new": -5.0}
    study = tuned(
        lambda params, run: shift[run.data],
        tl.StudyProtocol(data={"tuning": ["train"], "test": ["new"]}),
        n=3,
    )
    score = study.test(lambda params, run: shift[run.data])
    assert (score.score, score.optimism, score.low) == (-5.0, 5.0, None)


def test_without_anything_unseen_the_cure_is_told():
    with pytest.raises(InvalidInput, match="give it test seeds"):
        tuned(protocol=tl.StudyProtocol(seeds={"tuning": [1]}), n=2).test(luck)


def test_results_on_other_seeds_do_not_enter_a_study():
    study = tuned(n=2)
    with pytest.raises(StudyMismatch, match="the tuning seeds are"):
        tl.Study(PROBLEM, storage=study.ledger, protocol=tl.StudyProtocol(seeds={"tuning": [4]}))
    study.test(luck)
    changed = tl.Study(
        PROBLEM, storage=study.ledger, protocol=tl.StudyProtocol({"tuning": [0, 1], "test": [5]})
    )
    with pytest.raises(StudyMismatch, match="the tuning seeds are"):
        changed.test(luck)


def test_a_verification_takes_the_data_of_the_tuning_and_seeds_of_its_own():
    seen = set()

    def looking(params, run):
        seen.add((run.seed in (0, 1), run.data))
        return params["x"] + 0.01 * luck(params, run)

    protocol = tl.StudyProtocol(seeds={"tuning": [0, 1]}, data={"tuning": ["a"], "test": ["b"]})
    study = tuned(looking, protocol, n=4)
    seen.clear()
    study.verify(looking, pairs=5)
    assert seen == {(False, "a")}
