"""Hugging Face pipelines as a target: batch size, number format, attention implementation and threads against tokens/s.

The comparison of the seed study (arXiv 2408.01050): one model, fixed prompts, a fixed number of new tokens. Every
configuration runs in a process of its own, because threads and number formats are global to a process and memory is
only given back at its end. This module is also that process: ``python -m trialogue.evaluators.targets.hf_pipeline`` reads one
JSON object and answers with one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import EvaluationFailed
from ..problems.problem import Objective, Problem
from ..programs.run import Run
from ..spaces.parameters import Categorical, Parameter
from ..spaces.space import SearchSpace


@dataclass(frozen=True)
class HfPipeline:
    """Callable for ``Study.run``: tokens per second of a text-generation pipeline.

    ``model``: folder or name; ``prompts`` of ``input_words`` words each; ``new_tokens`` per prompt; ``device``: "cpu" or
    "cuda:0"; ``timeout_s``: for one configuration, loading included.
    """

    model: str
    prompts: int = 32
    input_words: int = 16
    new_tokens: int = 16
    device: str = "cpu"
    timeout_s: float = 300.0

    def problem(self, *, cores: int | None = None) -> Problem:
        """Return the problem: the space for this device and the objective ``tokens_s``."""
        count = cores or len(os.sched_getaffinity(0))
        parameters: list[Parameter] = [
            Categorical("batch_size", [1, 2, 4, 8, 16, 32, 64, 128], default=1, ordered=True, unit="prompts"),
            Categorical("dtype", ["float32", "bfloat16"], default="float32", description="number format"),
            Categorical("attn_implementation", ["eager", "sdpa"], default="sdpa", description="attention"),
        ]
        if self.device == "cpu" and count > 1:
            threads = [t for t in (1, 2, 4, 8, 16, 32, 64) if t <= count]
            parameters.append(
                Categorical("threads", threads, default=threads[-1], ordered=True, unit="threads")
            )
        context = {
            "model": self.model,
            "prompts": self.prompts,
            "new_tokens": self.new_tokens,
            "device": self.device,
        }
        objective = Objective("tokens_s", "maximize", "tokens/s", "generated tokens per second")
        return Problem("hf-pipeline", SearchSpace(parameters), [objective], context=context)

    def texts(self) -> list[str]:
        """Return the prompts: of three lengths in turn, so that a batch has to be padded."""
        return [" ".join(["accuracy"] * (self.input_words + i % 3)) for i in range(self.prompts)]

    def __call__(self, params: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
        """Return ``tokens_s`` and what it took; raises EvaluationFailed with the child's last words."""
        task = json.dumps({**asdict(self), "prompts": self.texts(), "params": dict(params), "seed": run.seed})
        threads = {"OMP_NUM_THREADS": str(params.get("threads", 1)), "HF_HUB_OFFLINE": "1"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__], input=task, capture_output=True, text=True,
                env={**os.environ, **threads}, timeout=self.timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise EvaluationFailed(f"no result within {self.timeout_s:g} s", kind="timeout") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            memory = "memory" in last.lower() or done.returncode == -9
            raise EvaluationFailed(last, kind="out_of_memory" if memory else "crash")
        return json.loads(done.stdout.splitlines()[-1])


def measure(task: Mapping[str, Any]) -> dict[str, float]:  # Any: JSON values
    """Load the model, warm up on one batch, and return tokens per second over all prompts (in this process)."""
    import torch
    from transformers import pipeline

    params = task["params"]
    torch.set_num_threads(params.get("threads", 1))
    torch.manual_seed(task["seed"])
    began = time.perf_counter()
    generator = pipeline(
        "text-generation", model=task["model"], device=task["device"], dtype=getattr(torch, params.get("dtype", "float32")),
        model_kwargs={"attn_implementation": params.get("attn_implementation", "sdpa")},
    )  # fmt: skip
    generator.tokenizer.padding_side = "left"  # pyright: ignore[reportOptionalMemberAccess]
    loaded_s = time.perf_counter() - began
    prompts, n = task["prompts"], task["new_tokens"]
    settings = {"max_new_tokens": n, "min_new_tokens": n, "max_length": None, "do_sample": False}
    batch = min(params.get("batch_size", 1), len(prompts))
    generator(prompts[:batch], batch_size=batch, **settings)
    began = time.perf_counter()
    generator(prompts, batch_size=batch, **settings)
    seconds = time.perf_counter() - began
    return {"tokens_s": len(prompts) * n / seconds, "load_s": loaded_s, "generate_s": seconds}


if __name__ == "__main__":
    print(json.dumps(measure(json.load(sys.stdin))))
