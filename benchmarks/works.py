"""The founding works, row by row: the claim of a paper, what this product's own code measures of it, and whether it holds.

    python benchmarks/works.py [ROW ...]

Each row takes at most a minute of one core. A claim that fails is printed as such. The doors of the rows are in
``docs/works.md``. Measurements stand in ``works/``.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from works import designs, subsets


@dataclass(frozen=True)
class Work:
    """A row: the paper, the door to it, its claim, and what measures it: words and whether the claim holds."""

    row: int
    title: str
    door: str
    claim: str
    measure: Callable[[], tuple[str, bool]]


WORKS = (
    Work(
        18,
        "weighted least squares with DPP and volume sampling",
        'design = "dpp" | "volume"',
        "nearer to the best approximation than independent points of the optimal density, and unbiased",
        designs.determinantal,
    ),
    Work(
        17,
        "l_p sensitivity sampling",
        'coreset = "sensitivity"',
        "keeps |Ax|_p for all x better than as many uniform rows do, where few rows matter",
        subsets.sensitivity,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", type=int, help="Rows to measure; all without any.")
    rows = parser.parse_args().rows
    for work in WORKS:
        if rows and work.row not in rows:
            continue
        started = time.process_time()
        words, holds = work.measure()
        verdict = "holds" if holds else "DOES NOT HOLD"
        print(f"| {work.row} {work.title} | `{work.door}` | {work.claim} | {words} | {verdict} |", end="")
        print(f" {time.process_time() - started:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
