"""Learning rates over a training: the Power schedule, which depends neither on batch size nor on how long is trained.

Warm-up, then min(largest, batch · a · n^b) after n tokens, then a linear decay to zero; the end may be moved while
training goes on, because only the decay knows it. A schedule is a value; ``torch.optim.lr_scheduler.LambdaLR`` takes it
where the optimizer's own rate is 1::

    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    schedule = PowerSchedule(batch_sequences=64, tokens=10_000_000_000, tokens_per_step=64 * 4096)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)

Source: Shen et al. 2024 (arXiv 2408.13359), equation 7; its a, b and largest rate are the defaults, found under μP for
sequences of 4,096 tokens.
"""

from dataclasses import dataclass

from ...serving.errors import InvalidInput

SEQUENCE = 4_096
"""Tokens per sequence in the source's experiments."""


@dataclass(frozen=True)
class PowerSchedule:
    """Rates by step. ``batch_sequences``: sequences of 4,096 tokens per batch; ``tokens``: of the whole training.

    ``warmup`` and ``decay``: shares of the tokens, together at most 1. Raises InvalidInput.
    """

    batch_sequences: float
    tokens: float
    tokens_per_step: float | None = None
    """Tokens of one step; by default those of the batch."""
    a: float = 4.0
    b: float = -0.51
    largest: float = 0.02
    warmup: float = 0.01
    decay: float = 0.1

    def __post_init__(self) -> None:
        for name in ("batch_sequences", "tokens", "a", "largest"):
            if not getattr(self, name) > 0:
                raise InvalidInput(
                    f"`{name}` of a power schedule must be above 0, got {getattr(self, name)!r}."
                )
        if self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise InvalidInput(
                f"`warmup` and `decay` are shares of the training, together at most 1, got {self.warmup!r} and "
                f"{self.decay!r}."
            )

    def power(self, n: float) -> float:
        """Return the rate after n tokens but for warm-up and decay."""
        return min(self.largest, self.batch_sequences * self.a * n**self.b) if n > 0 else self.largest

    def rate(self, n: float) -> float:
        """Return the rate after n tokens."""
        start, end = self.warmup * self.tokens, (1.0 - self.decay) * self.tokens
        if n < start:
            return n / start * self.power(start)
        if n <= end:
            return self.power(n)
        return max(0.0, (self.tokens - n) / (self.tokens - end)) * self.power(end)

    def __call__(self, step: int) -> float:
        """Return the rate of a step, counted from 0: that after the step's own tokens."""
        each = self.tokens_per_step or self.batch_sequences * SEQUENCE
        return self.rate((step + 1) * each)
