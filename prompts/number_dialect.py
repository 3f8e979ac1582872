"""How a trial history becomes tokens of the embedded model, and how its tokens become parameters again.

One token per number: a trial is ``goal x₁ … x_d y``, a prompt is ``<bos> kind₁ … kind_d trial trial … goal``.
The goal says what the trial is for: ``t`` history, ``?`` predict the score of this x, ``g0``…``g6`` an x that scores
so well, ``opt`` the best x. Scores are coded relative to the best and the median of the history (``score_bins``).
Inactive parameters are ``off``; a failed or infeasible trial has the score ``fail``. A parameter whose meaning the
checkpoint knows (``meanings.py``) is introduced by its word in place of ``num`` or ``cat``; then three trials without a
score, ``usual``, ``from`` and ``to``, show where the usual values and the useful ranges lie.

Knows nothing of the model behind the tokens, and nothing of torch. The same constants define the training corpus.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BINS = 128
"""Values per number: 0.8 % of a range, fine enough for 30 to 100 trials, and a softmax that a small model can learn."""
PAD, BOS, NUMERIC, CATEGORICAL, OFF, FAIL, TRIAL, QUERY, LEVEL0, OPTIMUM = 0, 1, 2, 3, 4, 5, 8, 9, 10, 17
USUAL, USEFUL_LOW, USEFUL_HIGH = 18, 19, 20
LEVELS = 7
Y0, X0 = 32, 160
SLOT_LETTERS = "abcdefhijklm"  # not g, t, y: these begin other words

_SCALE_EDGES = np.concatenate(
    [np.linspace(-2, 0, 41)[:-1], np.linspace(0, 1, 49)[:-1], np.linspace(1, 4, 41)]
)
"""Edges (129,) of the score bins on the warped scale u: 40 better than the best, 48 from best to median, 40 worse."""
LEVEL_EDGES = np.array([-0.5, -0.2, -0.05, 0.1, 0.4, 1.0])


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one checkpoint was trained to read. ``max_trials``: longest history; ``slots``: most parameters at once."""

    slots: int = 12
    max_trials: int = 64
    knows_off: bool = True
    knows_fail: bool = True
    meanings: tuple[str, ...] = ()
    """Words of ``meanings.py`` that the checkpoint was trained with; their tokens stand after the numbers."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.meaning0 + len(self.meanings)

    @property
    def meaning0(self) -> int:
        """The first meaning's token."""
        return X0 + self.slots * BINS

    @classmethod
    def read(cls, folder: Path) -> "Dialect":
        """Return the dialect that ``dialect.json`` in a checkpoint's folder describes."""
        raw = json.loads((folder / "dialect.json").read_text("utf-8"))
        return cls(**raw | {"meanings": tuple(raw.get("meanings", ()))})

    def token_names(self) -> list[str]:
        """Return the text of every token in order, the vocabulary of the word-level tokenizer."""
        names = [f"<r{i}>" for i in range(self.vocabulary)]
        special = {PAD: "<pad>", BOS: "<bos>", NUMERIC: "num", CATEGORICAL: "cat", OFF: "off", FAIL: "fail"}
        if self.meanings:
            special |= {USUAL: "usual", USEFUL_LOW: "from", USEFUL_HIGH: "to"}
            special |= {self.meaning0 + i: word for i, word in enumerate(self.meanings)}
        special |= {TRIAL: "t", QUERY: "?", OPTIMUM: "opt"} | {LEVEL0 + i: f"g{i}" for i in range(LEVELS)}
        for token, name in special.items():
            names[token] = name
        for b in range(BINS):
            names[Y0 + b] = f"y{b}"
            for slot in range(self.slots):
                names[X0 + slot * BINS + b] = f"{SLOT_LETTERS[slot]}{b}"
        return names


def warp(z: np.ndarray) -> np.ndarray:
    """Return u for relative scores z (0 best, 1 median of the history, larger is worse); inverse of ``unwarp``."""
    return np.where(z < 0, -np.log1p(-np.minimum(z, 0)), np.where(z <= 1, z, 1 + np.log(np.maximum(z, 1))))


def unwarp(u: np.ndarray) -> np.ndarray:
    """Return the relative score z of the warped scale u; inverse of ``warp``."""
    return np.where(u < 0, 1 - np.exp(-np.minimum(u, 0)), np.where(u <= 1, u, np.exp(np.maximum(u, 1) - 1)))


SCORE_EDGES = _SCALE_EDGES
SCORE_CENTRES = unwarp((_SCALE_EDGES[1:] + _SCALE_EDGES[:-1]) / 2)
"""z (128,) at the centre of each score bin."""


@dataclass(frozen=True)
class NumberHistory:
    """Trials as numbers. X (n, d) in the unit cube · active (n, d) · loss (n,) smaller is better · failed (n,) bool.

    ``categorical`` (d,): parameters without an order. The loss of failed trials is ignored.
    """

    X: np.ndarray
    active: np.ndarray
    loss: np.ndarray
    failed: np.ndarray
    categorical: np.ndarray

    @property
    def scale(self) -> tuple[float, float]:
        """The loss at z = 0 (the best) and the distance to z = 1 (the median, or the next value above the best)."""
        losses = np.sort(self.loss[~self.failed])
        if not len(losses):
            return 0.0, 1.0
        above = losses[losses > losses[0]]
        gap = losses[len(losses) // 2] - losses[0]
        return float(losses[0]), float(gap if gap > 0 else (above[0] - losses[0] if len(above) else 1.0))

    def relative(self) -> np.ndarray:
        """Return z (n,): 0 for the best, 1 for the median; failed trials stand at infinity."""
        best, gap = self.scale
        return np.where(self.failed, np.inf, (self.loss - best) / gap)

    def shortened(self, most: int, rng: np.random.Generator) -> "NumberHistory":
        """Return at most ``most`` trials: the better half of them by score, the rest drawn evenly."""
        n = len(self.loss)
        if n <= most:
            return self
        order = np.argsort(self.relative(), kind="stable")
        best, rest = order[: most // 2], order[most // 2 :]
        return self.rows(np.sort(np.r_[best, rng.choice(rest, most - len(best), replace=False)]))

    def rows(self, at: np.ndarray) -> "NumberHistory":
        """Return these trials in this order."""
        return NumberHistory(self.X[at], self.active[at], self.loss[at], self.failed[at], self.categorical)


@dataclass(frozen=True)
class Meanings:
    """What parameters mean. ``words`` (d,): a word of ``meanings.py`` or "".

    ``usual`` (3, d): coordinates of usual values and of the useful range's two ends; NaN unknown.
    """

    words: tuple[str, ...]
    usual: np.ndarray

    def known_to(self, dialect: Dialect) -> bool:
        """Whether the checkpoint knows any of the words."""
        return any(word in dialect.meanings for word in self.words if word)


def longest_history(dialect: Dialect, d: int, positions: int = 1024) -> int:
    """Return how many trials of d parameters fit into a prompt, with room for usual values and one continuation."""
    return min(dialect.max_trials, (positions - (1 + d) - 4 * (d + 2)) // (d + 2))


def number_bins(X: np.ndarray) -> np.ndarray:
    """Return the bin of each coordinate."""
    return np.clip((X * BINS).astype(np.int64), 0, BINS - 1)


def score_bins(z: np.ndarray) -> np.ndarray:
    """Return the bin of each finite relative score."""
    return np.searchsorted(SCORE_EDGES[1:-1], warp(np.clip(z, -50, 1e4)), side="left")


def parameter_tokens(dialect: Dialect, X: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return one token per coordinate, (…, m), in the slots 0 … m-1."""
    tokens = X0 + BINS * np.arange(X.shape[-1]) + number_bins(X)
    return np.where(active, tokens, OFF) if dialect.knows_off else tokens


def history_tokens(
    dialect: Dialect,
    history: NumberHistory,
    columns: np.ndarray,
    order: np.ndarray,
    meanings: Meanings | None = None,
) -> np.ndarray:
    """Return the prompt (1 + m + n(m + 2),) that shows the parameters ``columns`` of the trials in ``order``.

    With ``meanings`` of which the dialect knows one, it is 3 (m + 2) tokens longer: usual values and ranges come first.
    """
    z = history.relative()[order]
    failed = ~np.isfinite(z)
    scores = Y0 + score_bins(np.where(failed, 1e4, z))
    if dialect.knows_fail:
        scores = np.where(failed, FAIL, scores)
    x = parameter_tokens(dialect, history.X[order][:, columns], history.active[order][:, columns])
    trials = np.column_stack([np.full(len(order), TRIAL), x, scores])
    kinds = np.where(history.categorical[columns], CATEGORICAL, NUMERIC)
    if meanings is None or not meanings.known_to(dialect):
        return np.r_[BOS, kinds, trials.ravel()].astype(np.int64)
    kinds, usual = introduction(dialect, meanings, kinds, columns)
    return np.r_[BOS, kinds, usual, trials.ravel()].astype(np.int64)


def introduction(
    dialect: Dialect, meanings: Meanings, kinds: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the words of the parameters ``columns`` (m,), ``kinds`` where unknown, and three trials (3 (m + 2),)."""
    word_of = {word: dialect.meaning0 + i for i, word in enumerate(dialect.meanings)}
    words = np.array(
        [word_of.get(meanings.words[c], kind) for c, kind in zip(columns, kinds, strict=True)], np.int64
    )
    shown = meanings.usual[:, columns]
    numbers = X0 + BINS * np.arange(len(columns)) + number_bins(np.nan_to_num(shown))
    numbers = np.where(np.isfinite(shown), numbers, OFF)
    goals = np.array([[USUAL], [USEFUL_LOW], [USEFUL_HIGH]])
    return words, np.hstack([goals, numbers, np.full((3, 1), PAD)]).ravel()


def score_columns(dialect: Dialect) -> np.ndarray:
    """Return the tokens that may follow a trial's parameters: the score bins and, where known, ``fail``."""
    return np.r_[np.arange(Y0, Y0 + BINS), FAIL] if dialect.knows_fail else np.arange(Y0, Y0 + BINS)
