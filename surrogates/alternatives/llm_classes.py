"""LLAMBO's generative surrogate: the probability, from token log-probabilities, that a candidate is among the best.

A model sees examples labelled 1 (the best fraction) or 0 and answers with one character. p = p("1") / (p("0") +
p("1")); where the server gives no log-probabilities, the share of ones among samples. As a belief on y it is the
normal that puts probability p above the threshold. Source: Liu et al. 2024, ICLR (arXiv 2402.03921), broken in its
release.

Notation: as in contracts.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from ...evaluators.spaces.space import SearchSpace
from ...prompts.llambo import render_class
from ...prompts.wire import Wire
from ...serving.endpoints.chat import ChatEndpoint, ChatRequest, Completion, TokenLogprob, Usage
from ...serving.errors import ServingError
from ..contracts import TrainingData
from .llm_scores import Account

_LEAST = 0.01
"""Probabilities are kept within [0.01, 0.99]: a model that is certain is not."""


@dataclass(frozen=True)
class GenerativeSurrogate:
    """``top``: the fraction that counts as best. ``orders`` of the examples are averaged; ``samples`` where
    there are no log-probabilities. After ``patience`` failed calls in a row no more are made."""

    endpoint: ChatEndpoint
    about: tuple[str, ...] = ()
    top: float = 0.25
    orders: int = 2
    samples: int = 5
    deadline_s: float = 60.0
    most_examples: int = 40
    patience: int = 3
    account: Account = field(default_factory=Account, compare=False)

    @property
    def name(self) -> str:
        """The surrogate's name."""
        return "llm-generative"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> "GenerativePosterior":
        """Return the posterior; no call is made."""
        seed = int(rng.integers(2**31))
        order = np.lexsort([data.y, *np.round(data.X, 9).T[::-1]])
        y = data.y[order]
        best = max(1, round(self.top * len(y)))
        threshold = float(np.sort(y)[::-1][best - 1])
        centre, scale = float(y.mean()), float(y.std()) or 1.0
        return GenerativePosterior(
            self, data.space, data.X[order], y >= threshold - 1e-9 * scale, threshold, centre, scale, seed
        )


@dataclass(frozen=True)
class GenerativePosterior:
    """What the model says, given labelled examples."""

    surrogate: GenerativeSurrogate
    space: SearchSpace
    X: np.ndarray
    labels: np.ndarray
    threshold: float
    centre: float
    scale: float
    seed: int

    def predict(self, X: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (n,) and sd (n,): the normal with the data's spread whose mass above the threshold is p."""
        p = self.probability(X)
        return self.threshold + self.scale * ndtri(p), np.full(len(X), self.scale)

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return the probability (n,) of being among the best; the base rate where the model gave no answer."""
        wire, configurations = Wire(self.space), self.space.decode(self.X)
        failures, chances = 0, []
        for query in self.space.decode(X):
            answers: list[float] = []
            for order in range(self.surrogate.orders):
                if failures >= self.surrogate.patience:
                    break
                rng = np.random.default_rng([self.seed, order])
                rows = rng.permutation(len(self.labels))[: self.surrogate.most_examples]
                shown = [(configurations[i], bool(self.labels[i])) for i in rows]
                p = self._ask(wire, shown, query, order)
                failures = failures + 1 if p is None else 0
                answers += [] if p is None else [p]
            chances.append(float(np.mean(answers)) if answers else float(self.labels.mean()))
        return np.clip(np.array(chances, float), _LEAST, 1 - _LEAST)

    def _ask(self, wire: Wire, shown: Sequence[tuple[dict, bool]], query: dict, order: int) -> float | None:
        s = self.surrogate
        request = ChatRequest(
            render_class(wire, shown, query, s.about, round(100 * s.top)),
            n=s.samples,
            temperature=1.0,
            max_tokens=8,
            seed=(self.seed + order) % 2**31,
            top_logprobs=5,
        )
        try:
            answer = s.endpoint.complete(request, deadline_s=s.deadline_s)
        except ServingError:
            s.account.add(Usage(requests=1), 1)
            return None
        p = probability_of_one(answer.completions)
        s.account.add(answer.usage, int(p is None))
        return p


def probability_of_one(completions: Sequence[Completion]) -> float | None:
    """Return p("1") / (p("0") + p("1")) at the first token that is one of them; else the share of ones; else the same of
    what it might have begun with, as small models begin with a word; None if none of it is known."""
    for completion in completions:
        for token in completion.logprobs:
            mass = _mass(token)
            if token.token.strip(' "\n') in mass and sum(mass.values()) > 0:
                return mass["1"] / (mass["0"] + mass["1"])
    texts = [c.text.strip(' "\n.')[:1] for c in completions]
    ones, zeros = texts.count("1"), texts.count("0")
    if ones + zeros:
        return (ones + 0.5) / (ones + zeros + 1)
    firsts = [_mass(c.logprobs[0]) for c in completions if c.logprobs]
    return next((m["1"] / (m["0"] + m["1"]) for m in firsts if m["0"] + m["1"] > 0), None)


def _mass(token: TokenLogprob) -> dict[str, float]:
    options = {**token.top, token.token: token.logprob}
    return {
        digit: sum(math.exp(min(v, 0.0)) for t, v in options.items() if t.strip(' "\n') == digit)
        for digit in ("0", "1")
    }
