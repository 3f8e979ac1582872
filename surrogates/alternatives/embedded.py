"""The embedded language model read as a surrogate, and as a sampler of good points: two questions to one prompt.

``InContext`` holds prompts of one history in several orders (trials and parameters have none, the model's answers
are averaged over them). ``scores`` asks "what would this x score?", ``sample`` "which x scores so well?".
More parameters than the model knows are shown in blocks: each prompt sees a random block of columns, the others stand
at the best trial's values. Knows nothing of studies. Fits nothing: learning happened before (``training/``).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...evaluators.spaces.space import SearchSpace
from ...prompts import number_dialect as nd
from ...serving.embedded.model import SHIPPED, Branch, CompletionModel, EmbeddedModel, draw
from ..contracts import TrainingData
from ..threads import one_torch_thread

PROMPTS = 3
"""Orders averaged over: the third still helps, the fourth hardly (notes of the experiment)."""


class EmbeddedLM:
    """The Surrogate protocol over the embedded model; also the source of ``InContext`` for the planner."""

    name = "embedded"

    def __init__(self, model: CompletionModel | None = None) -> None:
        self.model: CompletionModel = model or EmbeddedModel(SHIPPED)

    @cached_property
    def dialect(self) -> nd.Dialect:
        """What the checkpoint was trained to read."""
        return nd.Dialect.read(self.model.folder)

    def condition(
        self,
        space: SearchSpace,
        history: nd.NumberHistory,
        rng: np.random.Generator,
        *,
        prompts: int = PROMPTS,
        meanings: nd.Meanings | None = None,
    ) -> "InContext":
        """Return the model after reading ``history`` in several orders, told what parameters mean where that is known."""
        d = len(space)
        m = min(d, self.dialect.slots)
        history = history.shortened(nd.longest_history(self.dialect, m), rng)
        depth = _depths(space)
        blocks, tokens = [], []
        for _ in range(prompts):
            columns = rng.permutation(d)[:m]
            columns = columns[
                np.argsort(depth[columns], kind="stable")
            ]  # parents first: they decide what exists
            blocks.append(columns)
            tokens.append(
                nd.history_tokens(
                    self.dialect, history, columns, rng.permutation(len(history.loss)), meanings
                )
            )
        with one_torch_thread():
            branch = self.model.read_prompts(np.stack(tokens))
        return InContext(self, space, history, np.stack(blocks), branch)

    def fit(self, data: TrainingData, rng: np.random.Generator) -> "EmbeddedPosterior":
        """Return the posterior given the data; rows are brought into one order first, so theirs does not matter."""
        order = np.lexsort([data.y, *data.X.T[::-1]])
        history = nd.NumberHistory(
            data.X[order],
            data.active[order],
            -data.y[order],
            np.zeros(len(order), bool),
            data.space.is_categorical,
        )
        return EmbeddedPosterior(self.condition(data.space, history, rng))


@dataclass(frozen=True)
class InContext:
    """One history in E prompts. ``blocks`` (E, m): the columns each prompt shows, in its order."""

    source: EmbeddedLM
    space: SearchSpace
    history: nd.NumberHistory
    blocks: np.ndarray
    branch: Branch

    @property
    def tokens(self) -> int:
        """Tokens of all prompts."""
        return self.branch.position * len(self.blocks)

    def scores(self, X: np.ndarray, active: np.ndarray, *, prompts: slice = slice(None)) -> np.ndarray:
        """Return p (k, 129) of each point: the score bins of ``number_dialect``, and the probability of failing.

        Averaged over ``prompts``, some of the E that were read.
        """
        dialect, blocks = self.source.dialect, self.blocks[prompts]
        tokens = [nd.parameter_tokens(dialect, X[:, columns], active[:, columns]) for columns in blocks]
        query = np.full((len(blocks), len(X), 1), nd.QUERY)
        with one_torch_thread():
            after = self.source.model.extend(
                _part(self.branch, prompts), np.concatenate([query, np.stack(tokens)], 2)
            )
        p = np.exp(after.log_p[:, :, nd.score_columns(dialect)])
        p = (p / p.sum(-1, keepdims=True)).mean(0)
        return p if dialect.knows_fail else np.column_stack([p, np.zeros(len(p))])

    def sample(self, goals: np.ndarray, rng: np.random.Generator, *, temperature: float = 1.0) -> np.ndarray:
        """Return canonical points (E·K, d), one per prompt and goal token in ``goals`` (K,)."""
        dialect, (E, m), K = self.source.dialect, self.blocks.shape, len(goals)
        incumbent = self.history.X[np.argmin(self.history.relative())]
        X = np.tile(incumbent, (E, K, 1))
        token = np.tile(goals, (E, 1))
        branch = self.branch
        for slot in range(m):
            with one_torch_thread():
                branch = self.source.model.extend(branch, token[:, :, None])
            columns = self.blocks[:, slot]
            bins = self._drawn(branch, slot, columns, rng, temperature)
            X[np.arange(E)[:, None], np.arange(K), columns[:, None]] = (
                bins + rng.random(bins.shape)
            ) / nd.BINS
            _, active = self.space.canonical(X.reshape(E * K, -1))
            shown = active.reshape(X.shape)[np.arange(E)[:, None], np.arange(K), columns[:, None]]
            number = nd.X0 + slot * nd.BINS + bins
            token = np.where(shown, number, nd.OFF) if dialect.knows_off else number
        return self.space.canonical(X.reshape(E * K, -1))[0]

    def _drawn(
        self, branch: Branch, slot: int, columns: np.ndarray, rng: np.random.Generator, temperature: float
    ) -> np.ndarray:
        """Return bins (E, K) for one slot; of a parameter with few values, only bins that mean one of them."""
        log_p = branch.log_p[:, :, nd.X0 + slot * nd.BINS : nd.X0 + (slot + 1) * nd.BINS].copy()
        for e, column in enumerate(columns):
            levels = int(self.space.levels[column])
            if 0 < levels <= nd.BINS // 2:
                allowed = nd.number_bins((np.arange(levels) + 0.5) / levels)
                log_p[e, :, np.setdiff1d(np.arange(nd.BINS), allowed)] = -np.inf
        return draw(log_p, rng, temperature=temperature)


@dataclass(frozen=True)
class EmbeddedPosterior:
    """The Posterior protocol: mean and sd of the model's score distribution, in the unit of y."""

    context: InContext

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and standard deviation (n,); y larger is better."""
        p = np.concatenate(
            [self.context.scores(X[i : i + 256], active[i : i + 256]) for i in range(0, len(X), 256)]
        )
        p = p[:, : nd.BINS] / np.maximum(p[:, : nd.BINS].sum(1, keepdims=True), 1e-12)
        best, gap = self.context.history.scale
        mean = p @ nd.SCORE_CENTRES
        variance = p @ nd.SCORE_CENTRES**2 - mean**2
        return -(best + gap * mean), gap * np.sqrt(np.maximum(variance, 1e-6))


def expected_improvement(p: np.ndarray) -> np.ndarray:
    """Return E[max(0, -z)] of score distributions p (k, 129): in units of the gap from the median to the best."""
    return p[:, : nd.BINS] @ np.maximum(-nd.SCORE_CENTRES, 0)


def _part(branch: Branch, prompts: slice) -> Branch:
    """Return some of the prompts that were read, before any continuation."""
    tokens = None if branch.tokens is None else branch.tokens[prompts]
    pairs = tuple((k[prompts], v[prompts]) for k, v in branch.prefix)
    return Branch(pairs, None, branch.log_p[prompts], branch.position, tokens)


def _depths(space: SearchSpace) -> np.ndarray:
    """Return how many conditions stand above each parameter (d,)."""
    depth: dict[str, int] = {}
    for p in space.parameters:  # the space guarantees that parents come first
        depth[p.name] = 1 + max((depth[name] for name in (p.when or {})), default=-1)
    return np.array([depth[p.name] for p in space.parameters])
