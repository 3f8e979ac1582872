"""LLAMBO's discriminative surrogate: a language model predicts scores from in-context examples; spread is uncertainty.

Each candidate is asked for with several orders of the examples and several samples each; mean and spread over the
answers are the belief, recalibrated on rows that were left out. Slow and costly: for studies of LLAMBO itself, not
for use. Source: Liu et al. 2024, ICLR (arXiv 2402.03921), where recalibration is described but its code fails.

Notation: as in contracts.py; scores in the prompt are 50 + 10 z, z standardized y.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...evaluators.spaces.space import SearchSpace
from ...prompts.llambo import SCORE_SCHEMA, read_score, render_score
from ...prompts.wire import Wire
from ...serving.endpoints.chat import ChatEndpoint, ChatRequest, Usage
from ...serving.errors import ServingError
from ..contracts import TrainingData

_SMALLEST_SD = 0.02
"""In units of the standardized objective: answers that all agree are no proof."""


@dataclass
class Account:
    """Tokens that a surrogate has used, and answers that could not be read or did not come."""

    usage: Usage = field(default_factory=Usage)
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, usage: Usage, failed: int) -> None:
        """Count one call."""
        with self.lock:
            self.usage += usage
            self.failed += failed


@dataclass(frozen=True)
class DiscriminativeSurrogate:
    """``orders`` x ``samples`` answers per candidate; ``held_out``: rows used to recalibrate (0: none).

    ``about``: what the model is told of the problem. ``deadline_s`` bounds each call. After ``patience`` failed calls
    in a row no more are made: the mean of the data is believed instead.
    """

    endpoint: ChatEndpoint
    about: tuple[str, ...] = ()
    orders: int = 2
    samples: int = 5
    held_out: int = 3
    temperature: float = 0.7
    top_p: float = 0.95
    deadline_s: float = 60.0
    most_examples: int = 40
    patience: int = 3
    account: Account = field(default_factory=Account, compare=False)

    @property
    def name(self) -> str:
        """The surrogate's name."""
        return "llm-discriminative"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> "DiscriminativePosterior":
        """Return the posterior; calls the model only to recalibrate."""
        seed = int(rng.integers(2**31))
        order = np.lexsort([data.y, *np.round(data.X, 9).T[::-1]])  # the same, in whatever order rows come
        X, active, y = data.X[order], data.active[order], data.y[order]
        centre, scale = float(y.mean()), float(y.std()) or 1.0
        z = np.round((y - centre) / scale, 6)
        fitted = DiscriminativePosterior(self, data.space, X, active, z, centre, scale, seed)
        return fitted if len(y) < 4 or not self.held_out else fitted.recalibrated()


@dataclass(frozen=True)
class DiscriminativePosterior:
    """What the model says, given standardized examples. ``stretch`` multiplies its spread."""

    surrogate: DiscriminativeSurrogate
    space: SearchSpace
    X: np.ndarray
    active: np.ndarray
    z: np.ndarray
    centre: float
    scale: float
    seed: int
    stretch: float = 1.0

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and sd (n,) in the unit of y; one request per row and order of the examples."""
        rows = np.arange(len(self.z))
        beliefs = self._ask_all(self.space.decode(X), [rows] * len(X))
        mean = np.array([m for m, _ in beliefs], float)
        sd = np.array([max(s * self.stretch, _SMALLEST_SD) for _, s in beliefs], float)
        return self.centre + self.scale * mean, self.scale * sd

    def recalibrated(self) -> "DiscriminativePosterior":
        """Return the posterior with its spread stretched by its error on rows that were left out."""
        rng = np.random.default_rng(self.seed)
        out = rng.permutation(len(self.z))[: min(self.surrogate.held_out, len(self.z) // 2)]
        rest = [np.delete(np.arange(len(self.z)), i) for i in out]
        beliefs = self._ask_all(self.space.decode(self.X[out]), rest)
        errors = [(self.z[i] - m) / max(s, _SMALLEST_SD) for i, (m, s) in zip(out, beliefs, strict=True)]
        stretch = float(np.clip(np.sqrt(np.mean(np.square(errors))), 0.5, 10.0))
        return DiscriminativePosterior(
            self.surrogate,
            self.space,
            self.X,
            self.active,
            self.z,
            self.centre,
            self.scale,
            self.seed,
            stretch,
        )

    def _ask_all(self, queries: Sequence[dict], examples: Sequence[np.ndarray]) -> list[tuple[float, float]]:
        wire, configurations = Wire(self.space), self.space.decode(self.X)
        failures, beliefs = 0, []
        for query, rows in zip(queries, examples, strict=True):
            scores: list[float] = []
            for order in range(self.surrogate.orders):
                if failures >= self.surrogate.patience:
                    break
                rng = np.random.default_rng([self.seed, order])
                shuffled = rng.permutation(rows)[: self.surrogate.most_examples]
                shown = [(configurations[i], 50 + 10 * float(self.z[i])) for i in shuffled]
                got = self._ask(wire, shown, query, order)
                failures = 0 if got else failures + 1
                scores += got
            beliefs.append((float(np.mean(scores)), float(np.std(scores))) if scores else (0.0, 1.0))
        return beliefs

    def _ask(self, wire: Wire, shown: Sequence[tuple[dict, float]], query: dict, order: int) -> list[float]:
        s = self.surrogate
        request = ChatRequest(
            render_score(wire, shown, query, s.about),
            n=s.samples,
            schema=SCORE_SCHEMA,
            temperature=s.temperature,
            top_p=s.top_p,
            max_tokens=64,
            seed=(self.seed + order) % 2**31,
        )
        try:
            answer = s.endpoint.complete(request, deadline_s=s.deadline_s)
        except ServingError:
            s.account.add(Usage(requests=1), s.samples)
            return []
        scores = [read_score(c.text) for c in answer.completions]
        logits = [float(np.clip((v - 50) / 10, -6, 6)) for v in scores if v is not None]
        s.account.add(answer.usage, len(scores) - len(logits))
        return logits
