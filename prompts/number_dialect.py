"""How a trial history becomes tokens of the embedded model, and how its tokens become parameters again.

One token per number: a trial is ``goal x₁ … x_d y``, a prompt is ``<bos> kind₁ … kind_d trial trial … goal``.
The goal says what the trial is for: ``t`` history, ``?`` predict the score of this x, ``g0``…``g6`` an x that scores
so well, ``opt`` the best x. Scores are coded relative to the best and the median of the history (``score_bins``).
Inactive parameters are ``off``; a failed or infeasible trial has the score ``fail``.

Knows nothing of the model behind the tokens, and nothing of torch. The same constants define the training corpus.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BINS = 128
"""Values per number: 0.8 % of a range, fine enough for 30 to 100 trials, and a softmax that a small model can learn."""
PAD, BOS, NUMERIC, CATEGORICAL, OFF, FAIL, TRIAL, QUERY, LEVEL0, OPTIMUM = 0, 1, 2, 3, 4, 5, 8, 9, 10, 17
LEVELS = 7
Y0, X0 = 32, 160
SLOT_LETTERS = "abcdefghijkl"

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

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return X0 + self.slots * BINS

    @classmethod
    def read(cls, folder: Path) -> "Dialect":
        """Return the dialect that ``dialect.json`` in a checkpoint's folder describes."""
        return cls(**json.loads((folder / "dialect.json").read_text("utf-8")))

    def token_names(self) -> list[str]:
        """Return the text of every token in order, the vocabulary of the word-level tokenizer."""
        names = [f"<r{i}>" for i in range(self.vocabulary)]
        special = {PAD: "<pad>", BOS: "<bos>", NUMERIC: "num", CATEGORICAL: "cat", OFF: "off", FAIL: "fail"}
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
