"""One batch through vLLM's offline engine: the child process of ``libraries.py``, in vLLM's environment.

Run by its path with the path of a JSON object, because this package is not installed there; imports nothing of it. Its
answer is the line that begins with ``{"tokens_s"``; vLLM writes lines of its own around it.
"""

import importlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def measure(task: Mapping[str, Any]) -> dict[str, float]:  # Any: JSON values
    """Start an engine with the task's ``flags``, warm up, and return tokens per second over all prompts."""
    vllm: Any = importlib.import_module("vllm")  # Any: of the other environment
    began = time.perf_counter()
    engine = vllm.LLM(task["model"], seed=task["seed"], max_model_len=task["max_model_len"], **task["flags"])
    loaded_s = time.perf_counter() - began
    n = task["new_tokens"]
    sampling = vllm.SamplingParams(temperature=0.0, max_tokens=n, min_tokens=n, ignore_eos=True)
    engine.generate(task["prompts"][:4], sampling, use_tqdm=False)
    began = time.perf_counter()
    answers = engine.generate(task["prompts"], sampling, use_tqdm=False)
    seconds = time.perf_counter() - began
    tokens = sum(len(answer.outputs[0].token_ids) for answer in answers)
    return {"tokens_s": tokens / seconds, "load_s": loaded_s, "generate_s": seconds}


if __name__ == "__main__":
    answer = json.dumps(measure(json.loads(Path(sys.argv[1]).read_text())))
    print(f"\n{answer}", flush=True)
