"""The far end of the wire: reads one JSON request a line from stdin, drives a peer, answers one JSON line on stdout.

Runs in a peer's own environment: the standard library only, nothing of trialogue. Requests (see ../wired.py):

    {"start": {"parameters": [...], "limits": [...], "seed": 0, "trials": 30}}
    {"ask": true}                  -> {"params": {...}, "cpu": seconds of this process}
    {"tell": {"params": {...}, "value": 1.2 or null, "feasible": true, "failure": "", "constraints": {...}}}
    {"fill": [[params, value], ...]}

A parameter is {"name", "kind", "low", "high", "log", "when": [[parent, [values]], ...]}, its kind "float", "int", "choice" or
"ordered"; choices and steps are told as the integers 0 to high.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any


def serve(make: Callable[[dict[str, Any]], Any]) -> None:
    """Serve one peer after another until stdin ends; ``make(start)`` returns an object with ask, tell and fill."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to stderr
    peer = None
    for line in sys.stdin:
        (verb, body), start = next(iter(json.loads(line).items())), time.process_time()
        answer: dict[str, Any] = {}
        try:
            if verb == "start":
                peer = make(body)
            elif verb == "ask":
                answer["params"] = peer.ask()
            else:
                getattr(peer, verb)(body)
        except Exception as error:  # the edge of this process: told to the other side, which stops the run
            answer["error"] = f"{type(error).__name__}: {error}"
        answer["cpu"] = time.process_time() - start
        print(json.dumps(answer), file=answers, flush=True)


class Worst:
    """Turns failures into the worst value so far, for peers that know no failures: held back until there is a value."""

    def __init__(self) -> None:
        self.worst: float | None = None
        self.held: list[Any] = []

    def settle(self, token: Any, value: float | None) -> list[tuple[Any, float]]:
        """Return what can be told now, as (token, value)."""
        if value is None:
            if self.worst is None:
                self.held.append(token)
                return []
            return [(token, self.worst)]
        self.worst = value if self.worst is None else max(self.worst, value)
        held, self.held = self.held, []
        return [(token, value), *((h, self.worst) for h in held)]
