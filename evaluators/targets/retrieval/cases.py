"""Cases in the order in which they were decided, over twelve years, each citing four earlier ones.

Notation: a case is its facts and its law, bags of words (n, V) each. Each year some words of every topic give way to others.
Law names its topic more plainly than facts do. What is cited is alike in topics, and the more, the more often it was cited
before. Knows no retrievers but BM25.
"""

from functools import cache

import numpy as np

YEARS, PER_YEAR = 12, 120
TOPICS, VOCABULARY, PLAIN = 30, 600, 15
"""Topics, words, and words that a topic uses at a time."""
DRIFT, FACTS, LAW, CITED = 0.08, 80, 60, 4
"""Share of a topic's words that change per year, words of facts and of law, citations."""


class Cases:
    """The cases of a seed: facts and law as bags (n, V), their years (n,), and which earlier ones each cites (n, n)."""

    def __init__(self, seed: int) -> None:
        rng, n = np.random.default_rng(seed), YEARS * PER_YEAR
        plain = np.stack([rng.choice(VOCABULARY, PLAIN, replace=False) for _ in range(TOPICS)])
        common = rng.dirichlet(np.full(VOCABULARY, 0.3))
        about = rng.dirichlet(np.full(TOPICS, 0.05), n)
        self.year, bags = np.repeat(np.arange(YEARS), PER_YEAR), []
        for year in range(YEARS):
            changed = rng.random(plain.shape) < DRIFT
            plain = np.where(changed, rng.integers(0, VOCABULARY, plain.shape), plain)
            topics = np.zeros((TOPICS, VOCABULARY))
            np.put_along_axis(topics, plain, 1 / PLAIN, axis=1)
            for mixed in about[self.year == year] @ (topics / topics.sum(1, keepdims=True)):
                bags.append(
                    [rng.multinomial(k, s * mixed + (1 - s) * common) for k, s in ((FACTS, 0.3), (LAW, 0.6))]
                )
        facts, law = np.array(bags).swapaxes(0, 1)
        self.ordered = [rng.permutation(np.repeat(np.arange(VOCABULARY), row)) for row in facts]
        self.parts = {"facts": facts, "law": law, "both": facts + law}
        self.cites = cited(about, self.year, rng)

    def queries(self, words: int) -> np.ndarray:
        """Return the first words of every case's facts (n, V)."""
        return np.stack([np.bincount(row[:words], minlength=VOCABULARY) for row in self.ordered])


@cache
def cases_of(seed: int) -> Cases:
    """Return the cases of a seed, made once."""
    return Cases(seed)


def cited(about: np.ndarray, year: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which cases each cites: earlier years', alike in topics, and those more that are cited already."""
    n = len(about)
    near = about @ about.T / np.outer(np.linalg.norm(about, axis=1), np.linalg.norm(about, axis=1))
    cites, popular = np.zeros((n, n), bool), np.ones(n)
    for i in np.flatnonzero(year > 0):
        chances = np.where(year < year[i], near[i] ** 4 * popular, 0.0)
        citations = rng.choice(n, CITED, replace=False, p=chances / chances.sum())
        cites[i, citations] = True
        popular[citations] += 0.5
    return cites


def bm25(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Return the scores (q, n) with k1 = 1.2 and b = 0.75."""
    frequency = (documents > 0).sum(0)
    weight = np.log1p((len(documents) - frequency + 0.5) / (frequency + 0.5))
    length = documents.sum(1, keepdims=True)
    saturated = documents * 2.2 / (documents + 1.2 * (0.25 + 0.75 * length / length.mean()))
    return queries @ (weight * saturated).T
