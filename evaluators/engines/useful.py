"""What a load can use of a limit, known before anything is started: choices beyond it do the same as the first that suffices.

A server cannot compute more requests together than there are at once, nor than its KV cache holds, nor read more prompt
tokens in a step than those have. A load whose arrivals have times of their own, or is searched, has no such bounds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import TypeVar

from ..spaces.categorical import Categorical
from ..traffic.workload import Workload

V = TypeVar("V")


def most_at_once(workload: Workload, cache_tokens: float = inf) -> float:
    """Return the most requests that are ever computed together. ``cache_tokens``: that the KV cache holds; prompts that may
    share a part of it count with what is their own."""
    if workload.concurrency is None or workload.rate is not None or workload.recorded:
        return inf
    shared = ("blocks", "prompt")
    least = min(1 if any(s in r for s in shared) else r["input_len"] for r in workload.rows())
    return max(min(workload.concurrency, cache_tokens // least), 1)


def most_tokens(workload: Workload, at_once: float) -> float:
    """Return the most tokens of a step: whole prompts of all that are computed together."""
    return at_once * max(r.get("prefix_len", 0) + r["input_len"] for r in workload.rows())


def sufficient(choices: Sequence[V], most: float) -> list[V]:
    """Return the choices up to the smallest number that is at least ``most``; what is no number stays."""
    numbers = [c for c in choices if isinstance(c, int | float) and not isinstance(c, bool)]
    enough = min((n for n in numbers if n >= most), default=inf)
    return [c for c in choices if c not in numbers or c <= enough]  # pyright: ignore[reportOperatorIssue]


def say_single(parameters: Iterable[Categorical], asked: Collection[str], say: Callable[[str], None]) -> None:
    """Say which parameters that were asked for are not tuned, because only one value suits machine and load."""
    single = [f"{p.name}={p.choices[0]}" for p in parameters if len(p.choices) == 1 and p.name in asked]
    if single:
        say(f"left out, because one value suits this machine and load: {', '.join(single)}")
