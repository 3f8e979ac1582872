import numpy as np
import pytest

import trialogue as tl
from trialogue.evaluators.problems.history import FinishedTrial, History
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.surrogates.contracts import TrainingData
from trialogue.surrogates.engine.engine import GaussianEngine
from trialogue.surrogates.models.outcome import Settings
from trialogue.surrogates.options import multitask
from trialogue.surrogates.options.multitask import EarlierStudy, MultiTask, correlations, seeds

HERE = tl.SearchSpace(
    [
        tl.Float("x", 0, 1),
        tl.Float("rate", 1e-4, 1, log=True),
        tl.Categorical("m", ["a", "b"]),
        tl.Float("new", 0, 1),
    ]
)
THERE = tl.SearchSpace(
    [
        tl.Float("x", 0.0, 1.2),
        tl.Float("rate", 1e-4, 1, log=True),
        tl.Categorical("m", ["a", "c"]),
        tl.Int("k", 1, 5),
    ]
)


def loss(p):
    return (
        8 * (p["x"] - 0.3) ** 2
        + (np.log10(p["rate"]) + 2) ** 2
        + 0.5 * (p["m"] != "a")
        + 0.3 * (p.get("new", 0.8) - 0.8) ** 2
    )


def history(space, f, n, seed):
    rows = space.sample(np.random.default_rng(seed), n)
    trials = [FinishedTrial(i, p, Measurement((float(f(p)),))) for i, p in enumerate(rows)]
    return History(tl.Problem("p", space)).extended(finished=trials)


def training(h):
    rows = h.rows("finished")
    return TrainingData(h.problem.space, rows.X, rows.active, -h.Y[:, 0], np.full(len(h.Y), np.nan))


def model_of(here, *earlier):
    tasks = [multitask._earlier_task(e, here.problem, 0) for e in earlier]
    return MultiTask(here.problem.space, tuple(t for t in tasks if t is not None))


def test_the_gradient_is_that_of_the_posterior_density():
    here = history(HERE, loss, 4, 1)
    two = [EarlierStudy(n, history(THERE, loss, 6, s)) for n, s in (("one", 0), ("two", 2))]
    _, tasks = model_of(here, *two)._tasks(training(here))
    theta = tasks.priors.mean + 0.3 * np.random.default_rng(0).standard_normal(len(tasks.priors.mean))
    _, slope = multitask.negative_log_posterior(theta, tasks)

    def at(shift):
        return multitask.negative_log_posterior(theta + shift, tasks)[0]

    numeric = [(at(h) - at(-h)) / 2e-5 for h in 1e-5 * np.eye(len(theta))]
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-5)


def test_correlations_are_a_matrix_of_them():
    C = correlations(np.array([0.5, -2.0, 3.0]), 3)
    assert np.diag(C) == pytest.approx(np.ones(3))
    assert (np.linalg.eigvalsh(C) > 0).all()
    assert ((C > 0) & (C <= 1 + 1e-12)).all()


def test_one_task_alone_is_the_gaussian_process():
    """At a correlation of nothing the earlier study says nothing: R&W algorithm 2.1 on this study's rows alone."""
    here = history(HERE, loss, 6, 1)
    model = model_of(here, EarlierStudy("old", history(THERE, loss, 8, 0)))
    data = training(here)
    Z, tasks = model._tasks(data)
    theta = tasks.priors.mean.copy()
    theta[len(model.joint.choices) + 2] = -40.0  # the entry of the Cholesky factor
    posterior = MultiTask(HERE, model.earlier, (theta,)).fit(data, np.random.default_rng(0))
    X, active = HERE.encode(HERE.sample(np.random.default_rng(5), 7))
    mean, sd = posterior.predict(X, active)

    alone = tasks.task == 1
    scale = np.exp(-theta[: len(model.joint.choices)])[model.joint.group]
    A, B = model.joint.of_this(X, active) * scale, Z[alone] * scale

    def kernel(P, Q):
        r = np.sqrt(5 * ((P[:, None] - Q[None]) ** 2).sum(-1))
        return (1 + r + r * r / 3) * np.exp(-r) + 1.0

    K = kernel(B, B) + np.exp(theta[-1]) * np.eye(6)
    k = kernel(A, B)
    assert mean == pytest.approx(k @ np.linalg.solve(K, data.y), abs=1e-8)
    assert sd**2 == pytest.approx(2.0 - np.sum(k * np.linalg.solve(K, k.T).T, axis=1), abs=1e-8)


def test_a_like_study_foretells_what_four_trials_cannot():
    here, data = history(HERE, loss, 4, 1), training(history(HERE, loss, 4, 1))
    outcome = model_of(here, EarlierStudy("old", history(THERE, loss, 40, 0))).outcome(data)
    rows = HERE.sample(np.random.default_rng(5), 100)
    mean, _ = outcome.posterior.predict(*HERE.encode(rows))
    assert np.corrcoef(mean, [-loss(p) for p in rows])[0, 1] > 0.75
    assert outcome.posterior.correlations[0] > 0.8


def test_a_stranger_is_left_out_and_the_model_is_the_usual_one():
    here = history(HERE, loss, 14, 1)
    noise = np.random.default_rng(3)
    stranger = EarlierStudy("stranger", history(THERE, lambda p: float(noise.standard_normal()), 30, 0))
    usual = GaussianEngine(here.problem, Settings(design=2)).condition(here, np.random.default_rng(0))
    engine = GaussianEngine(here.problem, Settings(design=2), earlier=(stranger,))
    belief = engine.condition(here, np.random.default_rng(0))
    assert any("better without stranger" in note for note in belief.notes)
    rows = HERE.sample(np.random.default_rng(5), 5)
    assert belief.assess(rows) == usual.assess(rows)


def test_the_best_of_earlier_studies_are_the_first_trials():
    one = EarlierStudy("one", history(THERE, loss, 10, 0))
    (params,) = seeds(HERE, [one])
    best = one.history.finished[one.best_first[0]].params
    assert params == HERE.clip(best)
    assert len(seeds(HERE, [one, EarlierStudy("two", history(THERE, loss, 10, 4))])) == 2
    assert seeds(HERE, []) == []


def test_an_objective_is_known_by_its_name_and_its_direction():
    up = tl.Problem("p", HERE, objectives=[tl.Objective("accuracy", "maximize"), tl.Objective("s")])
    trials = [FinishedTrial(0, HERE.default(), Measurement((0.5, 2.0)))]
    earlier = EarlierStudy("old", History(up).extended(finished=trials))
    assert earlier.goodness(tl.Problem("q", HERE, objectives=[tl.Objective("s")]), 0) == pytest.approx([-2.0])
    assert earlier.goodness(tl.Problem("q", HERE, objectives=[tl.Objective("loss")]), 0) is None
    single = EarlierStudy("one", history(HERE, loss, 3, 0))
    assert single.goodness(tl.Problem("q", HERE, objectives=[tl.Objective("cost")]), 0) is not None
