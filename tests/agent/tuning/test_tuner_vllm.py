"""The tuner against a real vLLM on this machine's CPU, with a small budget: the right configuration wins.

They run alone (``make test`` puts them last), and both tasks are chosen to be decided on a shared machine too; tokens per
second and 99th percentiles are claims for ``benchmarks/vllm_tuning.py``.
"""

import json
from pathlib import Path

import pytest

from trialogue.agent.tuning.plan import TuningOutcome, TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.api.tuning.handover import hand_over
from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.metrics import objective_named, parse_limit
from trialogue.evaluators.servers.settings import Wanted
from trialogue.evaluators.vllm.setup import prepared

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(2700)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / ".vllm" / "bin" / "python").exists():
        pytest.skip("no vLLM: run `make vllm`")
    monkeypatch.setenv("TRIALOGUE_VLLM_PYTHON", str(ROOT / ".vllm" / "bin" / "python"))
    monkeypatch.setenv("TRIALOGUE_CACHE", str(ROOT / ".cache"))


def tune(
    folder: Path, model: str, workload: str, knobs: dict, trials: int, *, limits: tuple[str, ...] = (),
    objective: str = "output_tok_s", beside: bool = False, pairs: int = 2,
) -> tuple[TuningOutcome, str]:  # fmt: skip
    wanted = Wanted(model, workload, folder, Rungs(eager=True, beside=beside), knobs=knobs)
    plan = TuningPlan(
        model, objective_named(objective), tuple(parse_limit(x) for x in limits), budget_s=2400, trials=trials,
        repeats=2, pairs=pairs, most_pairs=pairs, verify_rung="fork", default_every=100,
    )  # fmt: skip
    said: list[str] = []
    with prepared(wanted, plan.objective, plan.limits, say=said.append) as (target, space, context):
        outcome = Tuning(plan, target, space, say=said.append, context=context).run()
        text = hand_over(outcome, target, folder)
    print("\n".join(said), text)
    assert target.starts >= trials / 2
    return outcome, text


def test_a_limit_that_the_default_breaks_is_met_by_fewer_sequences(at_home: None, tmp_path: Path) -> None:
    """A quarter of the batch takes half the time per token, whatever else the machine does: the two run in turns."""
    knobs = {"max_num_seqs": [8, 16, 128]}
    limits = ("tpot_p50_ms<=0.75x",)
    outcome, text = tune(tmp_path, "tiny", "chat:prompts=64", knobs, trials=2, limits=limits, beside=True)
    assert outcome.best is not None, text
    assert outcome.best.params["max_num_seqs"] in (8, 16)
    assert outcome.verdict.recommendation == "change", text
    records = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    assert {"command", "digest", "vllm", "workload_digest", "results", "beside", "log_tail"} <= set(
        records[0]
    )
    chosen = outcome.best.params["max_num_seqs"]
    assert f"max-num-seqs: {chosen}" in (tmp_path / "serve.yaml").read_text()
    assert outcome.default_command.endswith("model-tiny-1")


def test_the_block_size_decides_where_prefixes_are_shared(at_home: None, tmp_path: Path) -> None:
    """By tokens per core-second: blocks of 128 leave 96 tokens more of each prefix to be computed again.

    Short prefixes, because the first four requests compute all of theirs; two tokens, because writing costs the same.
    The gain is 1.6 to 1.9 where the machine is busy, whose pairs differ by a quarter: four of them.
    """
    knobs = {"block_size": [32, 128, 256]}
    outcome, text = tune(
        tmp_path,
        "m25",
        "prefix:shared=224,input=8,output=2,prompts=64,concurrency=4",
        knobs,
        trials=2,
        objective="output_tok_per_cpu_s",
        beside=True,
        pairs=4,
    )
    tried = {t.params["block_size"]: t.value for t in outcome.study.trials if t.value is not None}
    assert set(tried) == {32, 128, 256}
    assert outcome.best is not None
    assert outcome.best.params["block_size"] == 32, text
    assert outcome.verdict.gain is not None
    assert outcome.verdict.gain.ratio > 1, text


def test_a_load_of_no_more_interest_is_stopped_and_its_server_stays(at_home: None, tmp_path: Path) -> None:
    workload = "random:input=64,output=128,prompts=64,concurrency=2"
    wanted = Wanted("tiny", workload, tmp_path, Rungs(eager=True), knobs={"max_num_seqs": [8, 128]})
    plan = TuningPlan("tiny", objective_named("output_tok_s"))
    with prepared(wanted, plan.objective, plan.limits, say=print) as (target, space, _):
        cut = target.measure(space.default(), enough_s=1.0)
        assert (cut.cut_s, cut.failure, cut.results) == (1.0, None, ())
        again = target.measure(space.default(), reuse=False)
        assert again.failure is None
        assert len(again.results) == 1
        assert target.starts == 1
