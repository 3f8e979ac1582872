"""Whether a configuration still says the same: greedy answers to fixed prompts, compared with the default's.

A guard for knobs that may change outputs (quantization, KV number format). Equality of the first tokens is a strict
measure: batching alone can flip a token, so limits are set below 1. The default's answers are kept in the target's folder,
so that a session that goes on later compares with the same.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...serving.servers.server import RunningServer

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


class Reference:
    """The default's answers in a file. ``of``: what they are the answers of, such as model, command and version."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "agreement.json"

    def read(self, of: Mapping[str, Any]) -> list[str] | None:  # Any: JSON
        """Return the answers, None where there are none or they are of something else."""
        try:
            record = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        same = (
            record.get("of") == dict(of)
            and record.get("prompts") == list(PROMPTS)
            and record.get("tokens") == TOKENS
        )
        return record["answers"] if same else None

    def write(self, of: Mapping[str, Any], answers: Sequence[str]) -> None:  # Any: JSON
        """Keep the answers; a crash leaves the old file or the new one."""
        part = self._file.with_suffix(".part")
        record = {"of": dict(of), "prompts": PROMPTS, "tokens": TOKENS, "answers": list(answers)}
        part.write_text(json.dumps(record, indent=1))
        part.replace(self._file)


def answers_of(server: RunningServer) -> list[str]:
    """Return the server's greedy continuation of each prompt; OSError where it does not answer."""
    answers = []
    for prompt in PROMPTS:
        body = {
            "model": server.name,
            "prompt": prompt,
            "max_tokens": TOKENS,
            "temperature": 0,
            "ignore_eos": True,
        }
        answer = server.post("/v1/completions", body)
        try:
            answers.append(json.loads(answer)["choices"][0]["text"])
        except (ValueError, LookupError, TypeError) as error:
            raise ConnectionError(f"no completion, but {answer[:200]!r}") from error
    return answers


def share_equal(reference: Sequence[str], given: Sequence[str]) -> float:
    """Return the mean share of each reference answer that the other begins with equally, in [0, 1]."""
    shares = []
    for a, b in zip(reference, given, strict=True):
        same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        shares.append(1.0 if a == b else same / max(len(a), 1))
    return sum(shares) / len(shares)
