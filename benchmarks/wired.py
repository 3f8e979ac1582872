"""Peers in environments of their own (``make peers``), driven over JSON lines: see peers/wire.py for the requests.

Without such an environment a peer is looked for in ours (the extra `peers` has Ax and Nevergrad). One process per peer
serves run after run. ``cpu`` is the processor time that the peer spent, in its own process.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from problems.base import Case, Outcome

import trialogue as tl

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".peers"
ONE_THREAD = {k: "1" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
Params = dict[str, Any]


@cache
def _process(name: str) -> subprocess.Popen[str]:
    own = ENVIRONMENTS / name / "bin" / "python"
    interpreter = str(own) if own.exists() else sys.executable
    return subprocess.Popen(
        [interpreter, str(HERE / "peers" / f"{name}_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, bufsize=1, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip


class Wired:
    """A peer behind the wire."""

    def __init__(self, name: str, case: Case, seed: int, trials: int = 30) -> None:
        self.name, self.case, self.cpu = name, case, 0.0
        limits = [{"name": c.name, "upper": c.upper, "lower": c.lower} for c in case.problem.constraints]
        parameters = [
            _described(p, c) for p, c in zip(case.problem.space.parameters, case.problem.space._conditions, strict=True)
        ]  # fmt: skip
        self._send("start", {"parameters": parameters, "limits": limits, "seed": seed, "trials": trials})
        self.cpu = 0.0

    def _send(self, verb: str, body: Any) -> dict[str, Any]:
        process = _process(self.name)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({verb: body}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"error": "the peer\'s process ended", "cpu": 0}')
        if "error" in answer:
            raise RuntimeError(f"{self.name} on {self.case.name}: {answer['error']}")
        self.cpu += answer["cpu"]
        return answer

    def ask(self) -> Params:
        raw = self._send("ask", True)["params"]
        space = self.case.problem.space
        return space.clip({n: _value(space[n], v) for n, v in raw.items() if v is not None})

    def tell(self, params: Params, outcome: Outcome) -> None:
        told = {"value": outcome.value, "feasible": self.case.feasible(outcome), "failure": outcome.failure,
                "constraints": dict(outcome.constraints or {})}  # fmt: skip
        self._send("tell", told)

    def fill(self, trials: list[tuple[Params, float]]) -> None:
        """Give the peer finished trials."""
        space = self.case.problem.space
        self._send("fill", [({n: _told(space[n], v) for n, v in p.items()}, y) for p, y in trials])


def _stepped(p: Any) -> bool:
    return not isinstance(p, tl.Categorical) and p.step is not None


def _described(p: Any, conditions: Any) -> dict[str, Any]:
    when = [[c.parent.name, [_told(c.parent, v) for v in c.parent.choices if c.holds(v)]] for c in conditions]
    if isinstance(p, tl.Categorical):
        kind, low, high = "choice" if p.is_categorical else "ordered", 0, p.levels - 1
    elif _stepped(p):
        kind, low, high = "int", 0, p.levels - 1
    else:
        kind, low, high = "int" if isinstance(p, tl.Int) else "float", p.low, p.high
    log = not isinstance(p, tl.Categorical) and bool(p.log) and not _stepped(p)
    return {"name": p.name, "kind": kind, "low": low, "high": high, "log": log, "when": when}


def _told(p: Any, value: Any) -> Any:
    if isinstance(p, tl.Categorical):
        return list(p.choices).index(value)
    return round((value - p.low) / p.step) if _stepped(p) else value


def _value(p: Any, told: Any) -> Any:
    if isinstance(p, tl.Categorical):
        return list(p.choices)[round(told)]
    if _stepped(p):
        return p.low + p.step * round(told)
    return round(told) if isinstance(p, tl.Int) else told
