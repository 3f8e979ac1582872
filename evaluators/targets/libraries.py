"""vLLM and Hugging Face pipelines side by side: one model, the same prompts, as many new tokens, tokens per second.

The library is a parameter, and each has its own beside it, so that one study answers which is faster and with what. Every
configuration runs in a process of its own, vLLM's in the environment that vLLM is installed in; loading does not count.
The comparison of the study that ``hf_pipeline.py`` names. vLLM takes a minute to start on a CPU: no target of the gallery.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...serving.vllm.environment import VllmEnvironment, find_vllm
from ..errors import EvaluationFailed
from ..problems.problem import Problem
from ..programs.processes import run_program
from ..programs.run import Run
from ..spaces.parameters import Categorical, Parameter
from ..spaces.space import SearchSpace
from .hf_pipeline import HfPipeline

CHILD = Path(__file__).with_name("offline_vllm.py")
SHARED = ("dtype", "threads")
"""Parameters that both libraries have."""


@dataclass(frozen=True)
class Libraries:
    """Callable for ``Study.run``: tokens per second of ``pipeline``'s model and prompts, through either library.

    ``python``: that of vLLM's environment; None: where ``find_vllm`` finds it.
    """

    pipeline: HfPipeline
    python: str | None = None

    def problem(self, *, cores: int | None = None) -> Problem:
        """Return the problem: the library, the pipeline's parameters, vLLM's, and the objective ``tokens_s``."""
        alone = self.pipeline.problem(cores=cores)
        parameters: list[Parameter] = [
            Categorical(
                "library", ["transformers", "vllm"], default="transformers", description="what generates"
            )
        ]
        for parameter in alone.space:
            assert isinstance(parameter, Categorical)
            own = None if parameter.name in SHARED else {"library": "transformers"}
            parameters.append(
                Categorical(
                    parameter.name, parameter.choices, default=parameter.default, ordered=parameter.ordered,
                    unit=parameter.unit, description=parameter.description, when=own,
                )
            )  # fmt: skip
        knobs = {
            "max_num_seqs": ([1, 2, 4, 8, 16, 32, 64, 128], 128, "sequences", "generated at once"),
            "max_num_batched_tokens": (
                [256, 512, 1024, 2048, 4096],
                2048,
                "tokens",
                "in one step, prompts included",
            ),
            "enable_prefix_caching": ([False, True], True, "", "beginnings of prompts are computed once"),
        }
        parameters += [
            Categorical(
                name, choices, default=default, ordered=bool(unit), unit=unit, description=words,
                when={"library": "vllm"},
            )
            for name, (choices, default, unit, words) in knobs.items()
        ]  # fmt: skip
        return Problem("libraries", SearchSpace(parameters), alone.objectives, context=alone.context)

    def __call__(self, params: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
        """Return ``tokens_s`` and what it took; raises EvaluationFailed with the child's last words."""
        own = {name: value for name, value in params.items() if name != "library"}
        if params["library"] == "transformers":
            return self.pipeline(own, run)
        environment, threads = find_vllm(self.python), str(own.pop("threads", 1))
        prompts = self.pipeline.texts()
        task = {
            "model": self.pipeline.model, "seed": run.seed % 2**31, "prompts": prompts, "flags": own,
            "new_tokens": self.pipeline.new_tokens, "max_model_len": max(map(len, prompts)) + self.pipeline.new_tokens + 8,
        }  # fmt: skip
        return self._in_vllm(task, environment, threads)

    def _in_vllm(
        self, task: Mapping[str, Any], environment: VllmEnvironment, threads: str
    ) -> Mapping[str, Any]:
        """Return what the child measured; it and its engine's processes are ended with this call, however it ends."""
        lines: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            task_file, errors = Path(folder) / "task.json", Path(folder) / "errors"
            task_file.write_text(json.dumps(task))
            ended = run_program(
                [str(environment.python), str(CHILD), str(task_file)], on_line=lambda line: bool(lines.append(line)),
                stderr=errors, timeout_s=self.pipeline.timeout_s,
                environment=environment.variables({"OMP_NUM_THREADS": threads}),
            )  # fmt: skip
            error_lines = errors.read_text(errors="replace").splitlines()
        if ended.end == "timeout":
            raise EvaluationFailed(f"no result within {self.pipeline.timeout_s:g} s", kind="timeout")
        if ended.code:
            last = next(
                (line.strip() for line in reversed(error_lines) if "Error" in line), f"exit code {ended.code}"
            )
            raise EvaluationFailed(last, kind="out_of_memory" if "memory" in last.lower() else "crash")
        answers = [line for line in lines if line.startswith('{"tokens_s"')]
        if not answers:
            raise EvaluationFailed("vLLM's process ended without an answer", kind="crash")
        return json.loads(answers[-1])
