"""A job is a value: it carries out one evaluation wherever it is sent."""

import pickle

import trialogue as tl
from trialogue.agent.evaluation.job import Job, evaluate_again, evaluate_job, evaluation_seed
from trialogue.evaluators.programs.instances import Instance
from trialogue.evaluators.programs.run import never_stop

PROBLEM = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))


def seed_of(params, run):
    return run.seed


def test_a_job_with_instances_travels():
    job = Job(seed_of, {"x": 0.5}, PROBLEM, 3, 9, never_stop, instances=(Instance(1), Instance(2)))
    assert evaluate_job(pickle.loads(pickle.dumps(job))).value == 1.5


def test_without_instances_a_trial_has_its_own_seed():
    job = Job(seed_of, {"x": 0.5}, PROBLEM, 3, evaluation_seed(0, 3), never_stop)
    assert evaluate_job(job).value == evaluation_seed(0, 3)


def test_a_trial_evaluated_again_is_made_on_the_tuning_seeds():
    study = tl.Study(PROBLEM, protocol=tl.StudyProtocol(seeds={"tuning": [4, 6], "test": [1]}))
    assert evaluate_again(study, seed_of, 0, {"x": 0.1}).value == 5
