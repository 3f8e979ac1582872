"""Priors from scaling laws: where a problem says that it trains a language model, good settings are known before any trial.

Read from ``problem.context``: ``n_params`` (N, without embeddings) and ``n_tokens`` (D); ``sequence_length`` and
``batch_sequences`` where they apply. Each law gives one configuration, run once after the default and marked as knowledge, and
one line for prompts. A law that was wrong costs one trial. Knows nothing of models or referees.
Sources: Step Law, Li et al. 2025 (arXiv 2503.04715): η = 1.79 N^-0.713 D^0.307, B = 0.58 D^0.571 tokens.
Power Scheduler, Shen et al. 2024 (arXiv 2408.13359v2, checked in its text): equation 5-6, the best constant rate of a WSD
schedule over T tokens under μP is 4.6 T^-0.51 times the batch in sequences of 4,096 tokens (12 to 121 M parameters, 2 to
256 B tokens); equation 7, the Power scheduler itself is min(0.02, 4 n^-0.51 times the batch) after n tokens.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...evaluators.problems.history import Params, Proposal, Value
from ...evaluators.problems.problem import Problem
from ...evaluators.spaces.parameters import Categorical, Parameter
from ..referee.knowledge import KNOWN

_N = ("n_params", "n_parameters", "parameters", "model_size", "non_embedding_params")
_D = ("n_tokens", "tokens", "dataset_tokens", "train_tokens", "training_tokens")
_LENGTH = ("sequence_length", "seq_len", "context_length", "block_size")
_POWER_LENGTH = 4_096
"""Tokens per sequence in the Power Scheduler's experiments."""
_RATE = re.compile(r"(max_|peak_|base_)?(lr|learning_?rate|eta)(_max|_peak)?", re.IGNORECASE)
_BATCH = re.compile(r"(global_|train_|total_)?(batch|batch_?size)(_tokens|_sequences|_size)?", re.IGNORECASE)


@dataclass(frozen=True)
class Law:
    """What a scaling law says here: values for parameters by name, and one line of words."""

    name: str
    values: Mapping[str, float]
    words: str


def step_law(n_params: float, n_tokens: float) -> tuple[float, float]:
    """Return the optimal peak learning rate and the optimal batch size in tokens for AdamW with a fixed final rate."""
    return 1.79 * n_params**-0.713 * n_tokens**0.307, 0.58 * n_tokens**0.571


def power_rate(
    n_tokens: float, batch_sequences: float, *, largest: float = 0.02, a: float = 4.6, b: float = -0.51
) -> float:
    """Return the best constant learning rate (WSD, μP) for so many training tokens and a batch of so many sequences of
    4,096 tokens; with ``a=4`` the rate of the Power scheduler after so many tokens. ``largest``: η_max."""
    return min(largest, batch_sequences * a * n_tokens**b) if n_tokens > 0 else largest


def laws_of(problem: Problem) -> tuple[Law, ...]:
    """Return the laws that apply to ``problem``; () unless its context says how large model and data are."""
    n, d = (_number(problem.context, names) for names in (_N, _D))
    rate = next((p for p in problem.space.parameters if _RATE.fullmatch(p.name)), None)
    if d is None or rate is None or isinstance(rate, Categorical):
        return ()
    batch = next((p for p in problem.space.parameters if _BATCH.fullmatch(p.name)), None)
    laws = []
    if n is not None:
        optimal, tokens = step_law(n, d)
        values = {rate.name: optimal} | _batch_value(problem, batch, tokens)
        advice = f"learning rate {optimal:.3g}, batches of {tokens:.3g} tokens"
        words = f"Step Law for {n:.3g} parameters and {d:.3g} tokens: {advice}"
        laws.append(Law("step law", values, words))
    sequences = _number(problem.context, ("batch_sequences", "batch_size"))
    if sequences is not None and problem.context.get("mup"):
        length = _number(problem.context, _LENGTH) or _POWER_LENGTH
        value = power_rate(d, sequences * length / _POWER_LENGTH)
        advice = f"learning rate {value:.3g} before its decay, for {d:.3g} tokens"
        words = f"Power Scheduler's law (WSD, μP) with {sequences:.3g} sequences of {length:.5g} tokens a batch: {advice}"
        laws.append(Law("power scheduler", {rate.name: value}, words))
    return tuple(laws)


def prior_proposals(problem: Problem) -> tuple[Proposal, ...]:
    """Return one configuration per law that applies: the default with the law's values, clipped to the space."""
    proposals = []
    for law in laws_of(problem):
        params: Params = problem.space.clip({**problem.space.default(), **_plain(law.values)})
        if problem.space.satisfies(params) and all(name in params for name in law.values):
            proposals.append(Proposal(params, KNOWN, law.words, confidence=None))
    return tuple(proposals)


def prior_lines(problem: Problem) -> tuple[str, ...]:
    """Return what the laws say, one line each, for prompts."""
    return tuple(law.words for law in laws_of(problem))


def _batch_value(problem: Problem, batch: Parameter | None, tokens: float) -> dict[str, float]:
    """Return the batch size in the parameter's own unit: tokens where it says so, else sequences of known length."""
    if batch is None or isinstance(batch, Categorical):
        return {}
    if "token" in f"{batch.name} {batch.unit}".lower():
        return {batch.name: tokens}
    length = _number(problem.context, _LENGTH)
    return {} if length is None else {batch.name: tokens / length}


def _plain(values: Mapping[str, float]) -> dict[str, Value]:
    return dict(values)


def _number(context: Mapping[str, object], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = context.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None
