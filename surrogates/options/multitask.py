"""Transfer by a multi-task Gaussian process: the trials of earlier studies are other tasks of one model.

The covariance of x in task t with x' in task t' is B[t, t'] k(x, x') (the intrinsic model of coregionalization), k a Matérn
kernel that all tasks share, and each task has a constant and a noise of its own. B is learnt: its correlations are products
of a Cholesky factor with positive entries, so that tasks are alike or strangers, and hyperparameters are sampled.
Spaces need only overlap: numbers stand where this study's range has them, inside it or not; a parameter that one side lacks
is inactive there, as a conditional parameter is, so that its lengthscale says how much the difference means.
A model of this study alone competes with it: whichever foretold this study's trials better, each from the others, is used,
so that an earlier study that misleads is unlearnt.

Notation: T tasks, this study the last · Z (n, p), D (g, n, n) as in gp.py · task (n,) · theta = g log lengthscales, T log
signal sds, T(T-1)/2 log entries of the Cholesky factor (rows below the first, left of the diagonal of 1), T log noises.
Sources: Bonilla, Chai & Williams 2007 ("Multi-task Gaussian process prediction"); Swersky, Snoek & Adams 2013 ("Multi-task
Bayesian optimization"; positive correlations, hyperparameters averaged over).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from ...evaluators.problems.history import History, Params
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.space import SearchSpace
from ..alternatives.portfolio import SurrogateOutcome
from ..contracts import TrainingData
from ..models.gp import Priors, cholesky, fit_map, matern, matern_slope, sample_thetas
from ..models.joint_space import JointSpace, is_near
from ..models.mean import BIAS
from ..models.outcome import OutcomeModel, Settings
from ..models.transforms import fit_transform
from ..threads import one_thread

MOST = 160
"""Trials of all earlier studies that are trained on: a fit then takes well under a second."""
SAMPLES = 4


@dataclass(frozen=True)
class EarlierStudy:
    """An earlier study: its name, and its problem and trials as a history."""

    name: str
    history: History

    @cached_property
    def best_first(self) -> list[int]:
        """Positions of the finished trials, the best feasible ones by the first objective first."""
        h = self.history
        feasible = [h.problem.feasible(t.measurement) for t in h.finished]
        y = (h.Y * h.problem.signs)[:, 0] if h.finished else []
        return sorted(range(len(feasible)), key=lambda i: (not feasible[i], -y[i]))

    def goodness(self, problem: Problem, objective: int) -> np.ndarray | None:
        """Return the values (n,), larger is better, of what an objective of ``problem`` measures; None where it was not
        measured. A single objective stands for a single one, whatever they are called."""
        own = [o.name for o in self.history.problem.objectives]
        name = problem.objectives[objective].name
        if name not in own and not len(own) == len(problem.objectives) == 1:
            return None
        i = own.index(name) if name in own else 0
        return self.history.Y[:, i] * self.history.problem.signs[i]


def seeds(space: SearchSpace, earlier: Sequence[EarlierStudy], *, most: int = 2) -> list[Params]:
    """Return the best configurations of earlier studies, from one after the other, repaired to this space."""
    starts: dict[str, Params] = {}
    ranks = max((len(e.best_first) for e in earlier), default=0)
    for rank in range(ranks):
        for study in (e for e in earlier if rank < len(e.best_first)):
            params = space.clip(study.history.finished[study.best_first[rank]].params)
            if space.satisfies(params) and len(starts) < min(most, len(earlier)):
                starts.setdefault(space.key(params), params)
    return list(starts.values())


def transferred(
    earlier: Sequence[EarlierStudy], problem: Problem, objective: int, data: TrainingData, own: OutcomeModel
) -> OutcomeModel | SurrogateOutcome:
    """Return the model of an objective of this study and the earlier ones; ``own``, which knows this study alone, where
    that foretells its trials better. Either says so in its notes."""
    tasks = [t for e in earlier if (t := _earlier_task(e, problem, objective))]
    if not tasks:
        return replace(own, notes=(*own.notes, "no earlier study has measured this objective"))
    model = MultiTask(problem.space, tuple(tasks))
    outcome = model.outcome(data)
    posterior = outcome.posterior
    assert isinstance(posterior, MultiTaskPosterior)
    shared = posterior.left_out() + float(np.sum(outcome.transform.log_slope(data.y)))
    if shared < _left_out(own, data.y):
        names = ", ".join(t.name for t in tasks)
        return replace(own, notes=(*own.notes, f"this study is foretold better without {names}"))
    words = (f"{t.name} {r:.2f}" for t, r in zip(tasks, posterior.correlations, strict=True))
    return replace(outcome, notes=(f"correlation with earlier studies: {', '.join(words)}",))


def _left_out(own: OutcomeModel, y: np.ndarray) -> float:
    """Return the mean over members of the log density of y (n,), each value given all others."""
    pairs = [(m.y, *m.leave_one_out()) for m in own.members]
    return float(np.mean([_density(*p) for p in pairs]) + np.sum(own.transform.log_slope(y)))


def _density(z: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> float:
    return float(np.sum(-0.5 * (z - mean) ** 2 / variance - 0.5 * np.log(variance)))


@dataclass(frozen=True)
class _Earlier:
    """What is learnt from of one earlier study: configurations and standardized values (n,), larger is better."""

    name: str
    problem: Problem
    params: tuple[Params, ...]
    z: np.ndarray


def _earlier_task(earlier: EarlierStudy, problem: Problem, objective: int) -> _Earlier | None:
    y = earlier.goodness(problem, objective)
    if y is None or len(y) < 2 or np.ptp(y) == 0:
        return None
    z, trials = fit_transform(y, "power").forward(y), earlier.history.finished
    near = [i for i in np.argsort(-y, kind="stable").tolist() if is_near(problem.space, trials[i].params)]
    rest = np.random.default_rng(0).permutation(near[MOST // 2 :])[: MOST - MOST // 2].tolist()
    rows = sorted([*near[: MOST // 2], *rest])
    return _Earlier(earlier.name, earlier.history.problem, tuple(trials[i].params for i in rows), z[rows])


@dataclass(frozen=True)
class _Tasks:
    """What is fitted: D (g, n, n), y (n,), known noise variances (n,) and task (n,) of every row; priors of theta."""

    D: np.ndarray
    y: np.ndarray
    noise: np.ndarray
    task: np.ndarray
    count: int
    priors: Priors

    @cached_property
    def flat(self) -> np.ndarray:
        """D as (g, n·n), for one matrix-vector product."""
        return self.D.reshape(len(self.D), -1)

    @cached_property
    def member(self) -> np.ndarray:
        """1 where a row (n, T) is of a task."""
        return (self.task[:, None] == np.arange(self.count)).astype(float)


def _priors(g: int, count: int) -> Priors:
    """Lengthscales as of the usual model; correlations about 0.95, of which 0.4 is within one and a half sd."""
    lengths, pairs = Priors.default(g), count * (count - 1) // 2
    scale = np.r_[np.full(count - 1, 0.3), 0.6]
    mean = np.r_[lengths.mean[:-2], np.zeros(count), np.ones(pairs), np.full(count, -7.0)]
    return Priors(mean, np.r_[lengths.sd[:-2], scale, np.full(pairs, 1.5), np.full(count, 2.0)])


def _parts(theta: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return log lengthscales, log sds, log Cholesky entries and log noises."""
    pairs = count * (count - 1) // 2
    g = len(theta) - 2 * count - pairs
    return theta[:g], theta[g : g + count], theta[g + count : g + count + pairs], theta[g + count + pairs :]


def correlations(entries: np.ndarray, count: int) -> np.ndarray:
    """Return the correlations (T, T) of tasks, all in (0, 1]: rows of the Cholesky factor have length 1."""
    L = np.eye(count)
    L[np.tril_indices(count, -1)] = np.exp(entries)
    L /= np.linalg.norm(L, axis=1, keepdims=True)
    return L @ L.T


def _covariance(theta: np.ndarray, tasks: _Tasks) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return K (n, n), the correlation of the kernel, squared scaled distances, and B (T, T)."""
    lengths, sds, entries, noises = _parts(theta, tasks.count)
    n, t = len(tasks.y), tasks.task
    R2 = (np.exp(-2.0 * lengths) @ tasks.flat).reshape(n, n)
    R = matern(R2)
    B = np.exp(sds[:, None] + sds[None, :]) * correlations(entries, tasks.count)
    K = B[np.ix_(t, t)] * R + BIAS * (t[:, None] == t[None, :])
    K[np.diag_indices(n)] += np.exp(noises)[t] + tasks.noise
    return K, R, R2, B


def log_likelihood(theta: np.ndarray, task: _Tasks) -> float:
    """Return the log marginal likelihood without the constant of 2 pi."""
    L, _ = cholesky(_covariance(theta, task)[0])
    v = solve_triangular(L, task.y, lower=True, check_finite=False)
    return -0.5 * float(v @ v) - float(np.sum(np.log(np.diag(L))))


def negative_log_posterior(theta: np.ndarray, tasks: _Tasks) -> tuple[float, np.ndarray]:
    """Return minus the log posterior and its gradient."""
    K, R, R2, B = _covariance(theta, tasks)
    lengths, sds, entries, noises = _parts(theta, tasks.count)
    L, _ = cholesky(K)
    inverse = cho_solve((L, True), np.eye(len(K)), check_finite=False)
    alpha = inverse @ tasks.y
    M, t = np.outer(alpha, alpha) - inverse, tasks.task
    G = 0.5 * tasks.member.T @ (M * R) @ tasks.member
    spread = np.exp(sds[:, None] + sds[None, :])
    steps = [
        (correlations(entries + h, tasks.count) - correlations(entries - h, tasks.count)) / 2e-5
        for h in 1e-5 * np.eye(len(entries))
    ]
    slope = np.r_[
        -np.exp(-2.0 * lengths) * (tasks.flat @ (M * B[np.ix_(t, t)] * matern_slope(R2)).ravel()),
        2.0 * np.sum(G * B, axis=1),
        [np.sum(G * spread * s) for s in steps],
        0.5 * np.exp(noises) * (np.diag(M) @ tasks.member),
    ]
    z = (theta - tasks.priors.mean) / tasks.priors.sd
    value = 0.5 * float(tasks.y @ alpha) + float(np.sum(np.log(np.diag(L)))) + 0.5 * float(z @ z)
    return value, -slope + z / tasks.priors.sd


@dataclass(frozen=True)
class MultiTaskPosterior:
    """What is believed of this study's outcome on its transformed scale. ``members``: theta, Cholesky factor and weights."""

    joint: JointSpace
    tasks: _Tasks
    Z: np.ndarray
    members: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]

    @property
    def correlations(self) -> np.ndarray:
        """Correlation (T - 1,) of this study with each of the earlier ones, the mean over members."""
        count = self.tasks.count
        return np.mean([correlations(_parts(m[0], count)[2], count)[-1, :-1] for m in self.members], axis=0)

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (m,) and sd (m,) of the noise-free outcome at this study's coordinates."""
        A, last, t = self.joint.of_this(X, active), self.tasks.count - 1, self.tasks.task
        means, variances = [], []
        for theta, L, alpha in self.members:
            lengths, sds, entries, _ = _parts(theta, self.tasks.count)
            scale = np.exp(-lengths)[self.joint.group]
            B = np.exp(sds[last] + sds) * correlations(entries, self.tasks.count)[last]
            k = B[t] * matern(_squared(A * scale, self.Z * scale)) + BIAS * (t == last)
            v = solve_triangular(L, k.T, lower=True, check_finite=False)
            means.append(k @ alpha)
            variances.append(np.maximum(B[last] + BIAS - np.einsum("ij,ij->j", v, v), 1e-10))
        return np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0) + np.var(means, axis=0))

    def left_out(self) -> float:
        """Return the log density of this study's values, each given all others and the earlier studies."""
        this = self.tasks.task == self.tasks.count - 1
        densities = []
        for _, L, alpha in self.members:
            variance = 1.0 / np.diag(cho_solve((L, True), np.eye(len(L)), check_finite=False))
            z = self.tasks.y
            densities.append(_density(z[this], (z - alpha * variance)[this], variance[this]))
        return float(np.mean(densities))


@dataclass(frozen=True)
class MultiTask:
    """The surrogate: a Gaussian process over this study and ``earlier`` ones. ``thetas``: hyperparameters that were found
    before; none: they are inferred."""

    space: SearchSpace
    earlier: tuple[_Earlier, ...]
    thetas: tuple[np.ndarray, ...] = ()
    name: str = "multi-task"

    @cached_property
    def joint(self) -> JointSpace:
        """The union of the spaces."""
        return JointSpace.of(self.space, [(e.problem.space, e.params) for e in self.earlier])

    def outcome(self, data: TrainingData) -> SurrogateOutcome:
        """Return the posterior of an objective; what it believes of running trials keeps its hyperparameters."""
        fit = SurrogateOutcome.fit(self, data, np.random.default_rng(len(data.y)))
        posterior = fit.posterior
        assert isinstance(posterior, MultiTaskPosterior)
        return replace(fit, surrogate=replace(self, thetas=tuple(m[0] for m in posterior.members)))

    def fit(self, data: TrainingData, rng: np.random.Generator) -> MultiTaskPosterior:
        """Return the posterior given the data, whose y are on the transformed scale, less the bowl."""
        Z, tasks = self._tasks(data)
        with one_thread():
            thetas = self.thetas or self._inferred(tasks, rng)
            members = []
            for theta in thetas:
                L, _ = cholesky(_covariance(theta, tasks)[0])
                members.append((theta, L, cho_solve((L, True), tasks.y, check_finite=False)))
        return MultiTaskPosterior(self.joint, tasks, Z, tuple(members))

    def _inferred(self, tasks: _Tasks, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        mode = fit_map(tasks, [tasks.priors.mean], steps=40, loss=negative_log_posterior)
        return tuple(sample_thetas(tasks, mode, rng, n=SAMPLES, likelihood=log_likelihood))

    def _tasks(self, data: TrainingData) -> tuple[np.ndarray, _Tasks]:
        """Return all rows embedded, earlier ones first, and what is fitted to them."""
        joint, count = self.joint, len(self.earlier) + 1
        numbers = joint.counts[: len(self.space)] == 0
        Z, y = [], []
        for e in self.earlier:
            X, active = joint.placed(e.params)
            Z.append(joint.of_earlier(e.params))
            y.append(
                e.z
                + Settings().bowl * _eccentricity(X[:, : len(numbers)], active[:, : len(numbers)], numbers)
            )
        rows = np.vstack([*Z, joint.of_this(data.X, data.active)])
        sizes = [*map(len, y), len(data.y)]
        noise = np.r_[np.zeros(sum(sizes[:-1])), np.nan_to_num(data.noise)]
        D = np.zeros((len(joint.choices), len(rows), len(rows)))
        for column, j in enumerate(joint.group):
            D[j] += (rows[:, column, None] - rows[None, :, column]) ** 2
        task = np.repeat(np.arange(count), sizes)
        return rows, _Tasks(D, np.concatenate([*y, data.y]), noise, task, count, _priors(len(D), count))


def _eccentricity(X: np.ndarray, active: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return how far rows are from the centre, as ``Embedding.eccentricity`` has it; beyond the range as at its end."""
    each = np.where(active, (2.0 * np.clip(X, 0.0, 1.0) - 1.0) ** 2, 1.0 / 3.0)[:, numbers]
    return each.sum(axis=1) / max(int(numbers.sum()), 1)


def _squared(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return squared distances between rows, (m, n)."""
    product = np.einsum("ij,ij->i", A, A)[:, None] + np.einsum("ij,ij->i", B, B)[None, :] - 2.0 * A @ B.T
    return np.maximum(product, 0.0)
