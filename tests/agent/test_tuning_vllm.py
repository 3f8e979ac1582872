"""The tuner against a real vLLM on this machine's CPU, with a small budget: the path, not the speed.

Other tests run beside these, so which configuration wins is a claim for ``benchmarks/vllm_tuning.py``.
"""

import json
from pathlib import Path

import pytest

from trialogue.agent.tuning import Tuning
from trialogue.agent.tuning_plan import TuningOutcome, TuningPlan
from trialogue.api.tune_vllm_setup import Wanted, prepared
from trialogue.api.tuning_handover import hand_over
from trialogue.evaluators.vllm_attempt import Rungs
from trialogue.evaluators.vllm_metrics import objective_named, parse_limit

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
QUIET = 0.2
"""Noise of the default (coefficient of variation) up to which limits relative to it mean something."""


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / ".vllm" / "bin" / "python").exists():
        pytest.skip("no vLLM: run `make vllm`")
    monkeypatch.setenv("TRIALOGUE_VLLM_PYTHON", str(ROOT / ".vllm" / "bin" / "python"))
    monkeypatch.setenv("TRIALOGUE_CACHE", str(ROOT / ".cache"))


def tune(
    folder: Path, model: str, workload: str, knobs: dict, limits: tuple[str, ...], trials: int
) -> tuple[TuningOutcome, str]:
    wanted = Wanted(model, workload, folder, Rungs(eager=True), knobs=knobs)
    plan = TuningPlan(
        model, objective_named("output_tok_s"), tuple(parse_limit(x) for x in limits), budget_s=400, trials=trials,
        repeats=1, pairs=2, verify_rung="fork", candidates=1, default_every=100,
    )  # fmt: skip
    said: list[str] = []
    with prepared(wanted, plan, say=said.append) as (target, space, context):
        outcome = Tuning(plan, target, space, say=said.append, context=context).run()
        text = hand_over(outcome, target, folder)
    assert target.starts >= trials / 2
    return outcome, text


def test_limits_that_the_default_breaks_are_met(at_home: None, tmp_path: Path) -> None:
    knobs = {"max_num_seqs": [16, 32, 64, 128]}
    limits = ("tpot_p99_ms<=0.75x", "ttft_p99_ms<=1.9x")
    outcome, text = tune(tmp_path, "tiny", "chat:prompts=96", knobs, limits, trials=3)
    records = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    assert {"command", "digest", "vllm", "workload_digest", "results", "log_tail"} <= set(records[0])
    assert (tmp_path / "serve.yaml").read_text().startswith("model: ")
    assert "recommended" in text or "No feasible" in text
    assert outcome.default_command.endswith("model-tiny-1")
    if outcome.best is not None and outcome.noise < QUIET:
        assert outcome.best.params["max_num_seqs"] in (
            16,
            32,
            64,
        )  # the default breaks limits relative to itself


def test_the_block_size_decides_where_prefixes_are_shared(at_home: None, tmp_path: Path) -> None:
    knobs = {"block_size": [32, 128, 256]}
    outcome, _ = tune(tmp_path, "m25", "prefix:prompts=64", knobs, (), trials=2)
    tried = {t.params["block_size"]: t.value for t in outcome.study.trials if t.value is not None}
    assert set(tried) == {32, 128, 256}
    assert outcome.best is not None
    assert outcome.best.params["block_size"] in tried
