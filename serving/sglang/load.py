"""Load on SGLang's server by its OpenAI-compatible ``/v1/completions``, and what it says of itself.

A chunk of the stream is counted as vLLM's client counts it, empty text too. Written from SGLang's documents, tried against
a scripted server only.
"""

import contextlib
import json
from typing import Any

from ..servers.load import LoadPlan, LoadResult
from ..servers.request_load import Events, Prompt, TimedAnswer, run_requests, streamed
from ..servers.server import RunningServer

RESOLVED = (
    "max_total_num_tokens", "max_running_requests", "chunked_prefill_size", "mem_fraction_static",
    "attention_backend", "schedule_policy",
)  # fmt: skip
"""What the server took where a flag was not given, kept with every record."""
_INFO = ("/server_info", "/get_server_info")  # its present and its earlier name


def run_sglang_load(server: RunningServer, plan: LoadPlan, *, vocabulary: int, turn: int) -> LoadResult:
    """Run one load and return its result, see ``run_requests``."""
    return run_requests(server, plan, _asked, vocabulary=vocabulary, turn=turn)


def resolved(server: RunningServer) -> dict[str, Any]:  # Any: JSON
    """Return what the server took for flags that were not given; empty where it does not tell."""
    for path in _INFO:
        with contextlib.suppress(OSError, ValueError):
            answer = json.loads(server.get(path, timeout_s=30))
            return {name: answer[name] for name in RESOLVED if name in answer}
    return {}


def _asked(server: RunningServer, prompt: Prompt, tokens: int, end: float) -> TimedAnswer:
    body = {
        "model": server.name, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "temperature": 0,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    return streamed(server, "/v1/completions", body, end, _read)


def _read(events: Events) -> TimedAnswer:
    chunks: list[float] = []
    for at_s, event in events:
        if event.get("choices"):
            chunks.append(at_s)
        elif event.get("usage") and chunks:
            return TimedAnswer(
                tuple(chunks), event["usage"]["prompt_tokens"], event["usage"]["completion_tokens"]
            )
    return TimedAnswer(problem="the answer ended early")
