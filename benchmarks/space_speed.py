"""How long a search space takes for what a candidate search calls in its inner loop.

    python benchmarks/space_speed.py

Prints milliseconds, the best of seven, for a simple, a conditional and a related space. One thread.
"""

import time
from collections.abc import Callable

import numpy as np

import trialogue as tl

N = (200, 10_000)


def spaces() -> dict[str, tl.SearchSpace]:
    """Return three spaces of growing difficulty."""
    simple = [tl.Float(f"x{i}", 0, 1) for i in range(6)]
    mixed = [
        tl.Categorical("kernel", ["linear", "rbf", "poly"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf", "poly"]}),
        tl.Int("degree", 2, 5, when={"kernel": "poly"}),
        tl.Int("tokens", 256, 16_384, step=256, log=True),
        tl.Categorical("block", [8, 16, 32, None]),
        tl.Int("low", 1, 64, log=True),
        tl.Int("high", 1, 64, log=True),
    ]
    relations = ["low <= high", "block == None or block <= tokens / 16"]
    return {
        "6 floats": tl.SearchSpace(simple),
        "8 mixed, conditional": tl.SearchSpace(mixed),
        "8 mixed, conditional, 2 relations": tl.SearchSpace(mixed, where=relations),
    }


def milliseconds(call: Callable[[], object]) -> float:
    """Return the best of seven runs."""
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def calls(space: tl.SearchSpace, n: int) -> dict[str, Callable[[], object]]:
    """Return what is timed, on ``n`` rows."""
    U = np.random.default_rng(0).random((n, len(space)))
    params = space.decode(U)
    return {
        "canonical": lambda: space.canonical(U),
        "satisfies_rows": lambda: space.satisfies_rows(U),
        "decode": lambda: space.decode(U),
        "encode": lambda: space.encode(params),
        "sample_rows": lambda: space.sample_rows(np.random.default_rng(0), n),
        "key": lambda: [space.key(p) for p in params],
    }


def main() -> None:
    """Print one line per space and size."""
    names = calls(spaces()["6 floats"], 1)
    print(f"{'space':34}{'rows':>7}" + "".join(f"{name:>16}" for name in names))
    for name, space in spaces().items():
        for n in N:
            times = [milliseconds(call) for call in calls(space, n).values()]
            print(f"{name:34}{n:>7}" + "".join(f"{ms:>16.3f}" for ms in times))


if __name__ == "__main__":
    main()
