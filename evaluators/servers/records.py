"""The record that every attempt leaves in ``attempts.jsonl``: enough to repeat it by hand, and to see why it failed.

Loads at a rate, of which one attempt has several, are in ``rates.jsonl``.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import RunningServer
from .attempt import Attempt
from .settings import TargetSettings

TAIL = 2000  # characters


def append_record(
    settings: TargetSettings, version: str, attempt: Attempt, *, label: str = "", tries: int = 1
) -> None:
    """Append one line of JSON: the attempt, what was loaded and by which version, and the end of the server's log.

    ``label``: what the session calls it; ``tries``: 2 where the attempt before it failed for no fault of its own.
    """
    brief = replace(attempt, results=_brief(attempt.results), beside=_brief(attempt.beside))
    record = asdict(brief) | {
        "label": label,
        "tries": tries,
        settings.engine.lower(): version,
        "workload": settings.workload.name,
        "workload_digest": settings.workload.digest,
        "at": time.time(),
        "log_tail": _tail(attempt.log),
    }
    with open(settings.folder / "attempts.jsonl", "a") as file:
        file.write(json.dumps(record, default=str) + "\n")


def append_load(settings: TargetSettings, server: RunningServer, plan: LoadPlan, result: LoadResult) -> None:
    """Append one line of JSON: a load of its own on a server that an attempt started, and what came of it."""
    record = {
        "argv": server.argv,
        "log": str(server.log),
        "plan": asdict(plan),
        "result": asdict(replace(result, requests={})),
        "at": time.time(),
    }
    with open(settings.folder / "rates.jsonl", "a") as file:
        file.write(json.dumps(record, default=str) + "\n")


def _brief(results: Sequence[LoadResult]) -> tuple[LoadResult, ...]:
    """Return the results without the times of single requests, of which there may be many thousands."""
    return tuple(replace(r, requests={}) for r in results)


def _tail(log: str) -> str:
    if not log or not Path(log).exists():
        return ""
    return Path(log).read_text(errors="replace")[-TAIL:]
