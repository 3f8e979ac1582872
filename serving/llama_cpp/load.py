"""Load on llama.cpp's server: its own ``/completion``, which tells of every chunk how many tokens it is.

Prompts are drawn anew for every load, because a slot of the server keeps its last one.
"""

from ..servers.load import LoadPlan, LoadResult
from ..servers.request_load import Events, Prompt, TimedAnswer, run_requests, streamed
from ..servers.server import RunningServer


def run_llama_load(server: RunningServer, plan: LoadPlan, *, vocabulary: int, turn: int) -> LoadResult:
    """Run one load and return its result, see ``run_requests``."""
    return run_requests(server, plan, _asked, vocabulary=vocabulary, turn=turn)


def _asked(server: RunningServer, prompt: Prompt, tokens: int, end: float) -> TimedAnswer:
    body = {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "temperature": 0, "stream": True}
    return streamed(server, "/completion", body, end, _read)


def _read(events: Events) -> TimedAnswer:
    chunks: list[float] = []
    for at_s, event in events:
        if event.get("tokens") or (
            event.get("stop") and not chunks
        ):  # half a character is held back to the end
            chunks.append(at_s)
        if event.get("stop"):
            return TimedAnswer(tuple(chunks), event["tokens_evaluated"], event["tokens_predicted"])
    return TimedAnswer(problem="the answer ended early")
