"""A Hugging Face pipeline as a target, on a model made on the spot."""

from pathlib import Path

import pytest

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.programs.run import Run
from trialogue.evaluators.targets.hf_pipeline import HfPipeline
from trialogue.serving.models.sample_models import tiny_model

CACHE = Path(__file__).resolve().parents[3] / ".cache"


def test_the_problem_says_what_is_tuned() -> None:
    problem = HfPipeline("model").problem(cores=4)
    assert problem.space.names == ("batch_size", "dtype", "attn_implementation", "threads")
    assert problem.space["threads"].choices == (1, 2, 4)


@pytest.mark.slow
def test_a_study_tunes_a_real_pipeline() -> None:
    target = HfPipeline(str(tiny_model("tiny", CACHE).absolute()), prompts=8, new_tokens=4)
    study = tl.Study(target.problem(cores=1))
    study.run(target, n_trials=2)
    assert study.best_trial.value > 0
    assert {"generate_s", "load_s"} <= set(study.best_trial.measurement.metrics)


@pytest.mark.slow
def test_a_model_that_is_not_there_fails_the_trial_in_words() -> None:
    params = {"batch_size": 1, "dtype": "float32", "attn_implementation": "sdpa"}
    with pytest.raises(EvaluationFailed, match="no-such-model"):
        HfPipeline("/no-such-model")(params, Run())


@pytest.mark.slow
def test_a_study_file_tunes_a_pipeline(tmp_path: Path) -> None:
    from trialogue.api.study_files.study_file import read_specification

    model = tiny_model("tiny", CACHE).absolute()
    (tmp_path / "s.toml").write_text(
        f'[evaluator]\nhf_pipeline = {{ model = "{model}", prompts = 4, new_tokens = 2 }}\n'
        '[parameters.batch_size]\ntype = "categorical"\nchoices = [1, 4]\nordered = true\n'
    )
    read = read_specification(tmp_path / "s.toml")
    study = tl.Study(read.problem)
    study.run(read.evaluate, n_trials=2)
    assert {t.params["batch_size"] for t in study.trials} == {1, 4}
    assert study.best_trial.value > 0
