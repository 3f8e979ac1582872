"""What a server would do, from how long its steps take: nothing is run, and every number is an estimate.

A continuous batching scheduler in steady state. Each step carries one token for every request that is answered and, while
prompts wait, a piece of one; requests beyond the batch wait their turn. How long a step takes is another's knowledge
(``Steps``): a roofline (``roofline.py``), or tables of measured operators (``evaluators/vllm/aiconfigurator.py``). Knows no
engine and no flags.
"""

import math
from dataclasses import dataclass
from typing import Protocol

UNSURE = {"ttft_ms": 0.55, "tpot_ms": 0.27, "output_tok_s": 0.27}
"""Relative error to expect of estimates from measured operators: what ``benchmarks/silicon_estimates.py`` finds in the median
over tasks, rounded up. aiconfigurator's own threads tell of 0.45 for TTFT (vLLM on A100, issue 1205)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model lies on devices. ``tensor``, ``pipeline``: devices that share layers, or take them in turn; ``data``:
    ranks of attention that take their own requests; ``expert``: devices between which whole experts are spread (1: all
    share each expert); ``weights``: their number format where it is not the model's own, such as fp8."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1
    weights: str = ""

    @property
    def devices(self) -> int:
        """Devices in all."""
        return self.tensor * self.pipeline * self.data


@dataclass(frozen=True, slots=True)
class SteadyLoad:
    """``requests`` of ``input_tokens`` and ``output_tokens``, always ``concurrency`` of them at the server: the first so many
    come at once, each of the others when one ends."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    requests: int = 0
    """How many in all; 0: so many that the first do not count."""

    @property
    def at_once(self) -> float:
        """Share of the requests that come at once."""
        return min(self.concurrency / self.requests, 1.0) if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Batching:
    """What the scheduler allows on each rank: requests in a batch, and tokens in a step."""

    requests: int = 1024
    tokens: int = 8192


class Steps(Protocol):
    """How long one step of a layout takes, in ms; everything per rank of attention. Raises NotEstimated."""

    @property
    def kv_tokens(self) -> float:
        """Tokens that the KV cache of a rank holds; infinite where unknown."""
        ...

    def step_ms(self, prompt_tokens: int, answered: int, load: SteadyLoad) -> float:
        """Return the time of a step with so many tokens of a prompt (0: none) and so many requests being answered."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected, means over requests. ``batch``: requests that are answered together on one rank."""

    ttft_ms: float
    tpot_ms: float
    output_tok_s: float
    batch: int


def steady(steps: Steps, load: SteadyLoad, batching: Batching, ranks: int = 1) -> Estimate:
    """Return the estimate of a load that is spread evenly over ``ranks``.

    A request takes one step per piece of its prompt and one per token; as many prompts begin as end. Where prompts alone
    fill the steps, answers wait for them. Of those that come at once, each waits for the prompts before it.
    """
    here = max(load.concurrency / ranks, 1.0)
    room = steps.kv_tokens / (load.input_tokens + 0.5 * load.output_tokens)
    batch = max(int(min(here, batching.requests, room)), 1)
    piece = max(min(load.input_tokens, batching.tokens - batch), 1)
    pieces = math.ceil(load.input_tokens / piece)
    lifetime = max(pieces + load.output_tokens - 1, batch * pieces)
    mixed, plain = steps.step_ms(piece, batch - 1, load), steps.step_ms(0, batch, load)
    share = batch * pieces / lifetime
    tpot = share * mixed + (1 - share) * plain
    alone, busy = pieces * mixed, min(share, 0.95)
    queued = 1.0 + 0.5 * busy / (1.0 - busy)
    own = alone * ((1.0 - load.at_once) * queued + load.at_once * 0.5 * (batch + 1))
    answered = own + tpot * (load.output_tokens - 1)
    waited = max(here / batch - 1.0, 0.0) * answered
    rate = ranks * here / (waited + answered)
    return Estimate(waited + own, tpot, 1000.0 * rate * load.output_tokens, batch)
