"""Whether a configuration still says the same: greedy answers to fixed prompts, compared with the default's.

A guard for knobs that may change outputs (quantization, KV number format). Equality of the first tokens is a strict
measure: batching alone can flip a token, so limits are set below 1.
"""

import json
from collections.abc import Sequence

from ..serving.vllm_server import VllmServer

PROMPTS = (
    "The default configuration is",
    "Once upon a time",
    "learning_rate: 0.001, batch_size:",
    "Explain why the sky is blue.",
    "1, 2, 3, 4,",
    "def add(a, b):",
    "The capital of France is",
    "throughput tokens per second",
)
TOKENS = 24


def answers_of(server: VllmServer) -> list[str]:
    """Return the server's greedy continuation of each prompt."""
    answers = []
    for prompt in PROMPTS:
        body = {
            "model": server.name,
            "prompt": prompt,
            "max_tokens": TOKENS,
            "temperature": 0,
            "ignore_eos": True,
        }
        answers.append(json.loads(server.post("/v1/completions", body))["choices"][0]["text"])
    return answers


def share_equal(reference: Sequence[str], given: Sequence[str]) -> float:
    """Return the mean share of each reference answer that the other begins with equally, in [0, 1]."""
    shares = []
    for a, b in zip(reference, given, strict=True):
        same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        shares.append(1.0 if a == b else same / max(len(a), 1))
    return sum(shares) / len(shares)
