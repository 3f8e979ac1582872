"""vLLM and pipelines side by side: parameters of one's own for each, one real evaluation in vLLM, failures in words."""

from pathlib import Path

import pytest

from trialogue.api.study_files.study_file import read_specification
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.hf_pipeline import HfPipeline
from trialogue.evaluators.targets.libraries import Libraries
from trialogue.serving.models.sample_models import tiny_model

ROOT = Path(__file__).resolve().parents[3]
IN_VLLM = {
    "library": "vllm", "dtype": "float32", "max_num_seqs": 4, "max_num_batched_tokens": 512, "enable_prefix_caching": False,
}  # fmt: skip


def test_each_library_has_parameters_of_its_own_beside_those_of_both() -> None:
    space = Libraries(HfPipeline("model")).problem(cores=4).space
    assert set(space.default()) == {"library", "batch_size", "dtype", "attn_implementation", "threads"}
    assert set(space.active_names(IN_VLLM | {"threads": 2})) == {*IN_VLLM, "threads"}


def test_a_study_file_names_the_model(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(f'[evaluator]\nlibraries = {{ model = "{tmp_path}", new_tokens = 2 }}\n')
    read = read_specification(tmp_path / "s.toml")
    assert "max_num_seqs" in read.problem.space.names
    assert [o.name for o in read.problem.objectives] == ["tokens_s"]


def test_a_process_that_fails_fails_the_trial_in_words(tmp_path: Path) -> None:
    """The interpreter stands in an environment that says it has vLLM, and the child cannot import it."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "ModuleNotFoundError: No module named vllm" >&2\nexit 1\n')
    python.chmod(0o755)
    (tmp_path / "lib" / "python3.11" / "site-packages" / "vllm-0.0.1.dist-info").mkdir(parents=True)
    with pytest.raises(EvaluationFailed, match="ModuleNotFoundError: No module named vllm"):
        Libraries(HfPipeline("model"), str(python))(IN_VLLM, Run())


@pytest.mark.vllm
def test_one_batch_through_a_real_engine() -> None:
    if not (ROOT / ".vllm" / "bin" / "python").exists():
        pytest.skip("no vLLM in .vllm (`make vllm`)")
    model = str(tiny_model("tiny", ROOT / ".cache").absolute())
    told = Libraries(HfPipeline(model, prompts=8, new_tokens=4), str(ROOT / ".vllm" / "bin" / "python"))(
        IN_VLLM, Run()
    )
    assert told["tokens_s"] == pytest.approx(8 * 4 / told["generate_s"])
