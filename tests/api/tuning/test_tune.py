"""The options of ``tune-vllm`` as values, and what a finished tuning hands over. No server."""

import importlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.evaluators.engines.test_estimates import CONFIG
from trialogue.agent.study.study import Study
from trialogue.agent.tuning.findings import earlier_best
from trialogue.agent.tuning.plan import TuningOutcome
from trialogue.agent.tuning.verdict import TuningVerdict, decide
from trialogue.api.cli.app import main
from trialogue.api.study_files.study_file import read_specification
from trialogue.api.tuning.handover import hand_over
from trialogue.evaluators.engines.llama_cpp import llama_servers
from trialogue.evaluators.engines.llama_space import llama_space
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Objective, Problem
from trialogue.evaluators.servers.target import ServerTarget, TargetSettings
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.llama_cpp.environment import LlamaEnvironment
from trialogue.serving.servers.installation import HELPERS
from trialogue.serving.vllm.environment import VllmEnvironment, VllmNotInstalled, find_vllm

TOKENS = Objective("output_tok_s", "maximize", "tokens/s")


def test_a_missing_vllm_is_said_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(VllmNotInstalled, match="make vllm"):
        find_vllm(tmp_path / "python")


def outcome_of(folder: Path, verdict: TuningVerdict) -> tuple[TuningOutcome, ServerTarget]:
    space = SearchSpace([Categorical("block_size", [32, 64, 128], default=128, ordered=True)])
    problem = Problem("vllm", space, [TOKENS], context={"device": "cpu", "vllm": "0.32.0"})
    study = Study(problem, storage=f"sqlite:///{folder}/study.db")
    for block, speed, ttft in ((128, 100.0, 20.0), (32, 150.0, 30.0), (32, 149.0, 31.0)):
        metrics = {"output_tok_s": speed, "ttft_p99_ms": ttft}
        study.add(
            {"block_size": block},
            Measurement(speed, metrics=metrics),
            source="default" if block > 64 else "user",
        )
    failing = study.ask(fixed={"block_size": 64})
    study.tell(failing, failed="the <engine> died")
    settings = TargetSettings("model", Workload.parse("chat"), folder, defaults=space.default())
    target = ServerTarget(VllmEnvironment(Path("python"), "0.32.0", True), settings)
    runs = (
        ({"output_tok_s": 100.0}, {"output_tok_s": 101.0}),
        ({"output_tok_s": 150.0}, {"output_tok_s": 151.0}),
    )
    command = target.spec({"block_size": 32}).command()
    best = study.best_trial
    return TuningOutcome(
        verdict,
        study,
        (),
        best,
        command,
        target.spec({}).command(),
        *runs,
        0.02,
        60.0,
        {"output_tok_s": (1.5, 1.4)},
    ), target


def served_by(script: Path) -> str:
    """Run a script with a program in vLLM's place that says how many threads it was given and its arguments."""
    vllm = script.with_name("vllm")
    vllm.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS" "$@"\n')
    vllm.chmod(0o755)
    ran = subprocess.run(
        [script, "--port", "9"], env={"VLLM": str(vllm)}, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def test_a_recommended_change_is_handed_over_as_command_yaml_and_page(tmp_path: Path) -> None:
    verdict = decide(TOKENS, (), [{"output_tok_s": 100.0}, {"output_tok_s": 101.0}],
                     [{"output_tok_s": 150.0}, {"output_tok_s": 151.0}])  # fmt: skip
    outcome, target = outcome_of(tmp_path, verdict)
    text = hand_over(outcome, target, tmp_path)
    assert "Change recommended" in text
    assert "vllm serve model --block-size 32" in text
    assert (
        (tmp_path / "serve.yaml")
        .read_text()
        .endswith('# needs VLLM_CPU_KVCACHE_SPACE=1\nmodel: "model"\nhost: "127.0.0.1"\nblock-size: 32\n')
    )
    assert served_by(tmp_path / "serve.sh") == "1 serve model --block-size 32 --host 127.0.0.1 --port 9"
    assert json.loads((tmp_path / "handover.json").read_text())["params"] == {"block_size": 32}
    page = (tmp_path / "handover.html").read_text()
    assert "&lt;engine&gt;" in page
    assert "1 failed (every time with block_size=64)" in text
    assert "output_tok_s ×1.50 → ×1.40" in text
    assert "block_size: 50% between its best and worst" in page
    assert "output_tok_s against ttft_p99_ms" in page
    assert page.count("<circle") == 3
    assert (tmp_path / "study.html").stat().st_size > 10_000


def test_no_change_hands_over_the_default(tmp_path: Path) -> None:
    outcome, target = outcome_of(tmp_path, TuningVerdict("no change", "the difference is within the noise"))
    assert "No change recommended" in hand_over(outcome, target, tmp_path)
    assert (tmp_path / "serve.yaml").read_text().endswith('\nmodel: "model"\nhost: "127.0.0.1"\n')
    assert served_by(tmp_path / "serve.sh") == "1 serve model --host 127.0.0.1 --port 9"


def test_llama_cpps_server_is_handed_over_as_a_script_alone(tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path, TuningVerdict("change", "it is faster"))
    settings = TargetSettings("m.gguf", Workload.parse("chat"), tmp_path, fixed={"ctx_size": 512})
    space = llama_space({"block_size": "(default: 128)"}, 1, knobs={"block_size": [32, 64, 128]})
    target = llama_servers(LlamaEnvironment(Path("/opt/llama server"), "1"), settings, space)
    text = hand_over(outcome, target, tmp_path)
    assert "serve.yaml" not in text
    assert not (tmp_path / "serve.yaml").exists()
    assert (tmp_path / "serve.sh").read_text() == (
        "#!/bin/sh\nLLAMA_SERVER=${LLAMA_SERVER:-'/opt/llama server'}\n"
        'exec "$LLAMA_SERVER" --model m.gguf --ctx-size 512 --block-size 32 --host 127.0.0.1 "$@"\n'
    )


def test_money_is_refused_without_a_price(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tune-vllm", "tiny", "--objective", "output_tok_per_money"])
    assert "--price-per-hour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('{ workload = "chat" }', "with a model"),
        ('{ model = "tiny", wrokload = "chat" }', "wrokload"),
        ('{ model = "tiny", objective = "max_rate_s" }', "tune-vllm"),
        ('{ model = "tiny", objective = "output_tok_per_money" }', "price_per_hour"),
        ('{ model = "tiny", objective = "speed" }', "must be one of"),
    ],
)
def test_a_wrong_vllm_table_of_a_study_file_is_refused(table: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(f"[evaluator]\nvllm = {table}\n")
    with pytest.raises(InvalidSpecification, match=told):
        read_specification(tmp_path / "study.toml")


def test_counters_of_energy_may_run_over_and_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HELPERS))
    energy = importlib.import_module("energy")
    assert energy.between([(90.0, 100.0), (5.0, None)], [(10.0, 100.0), (7.0, None)]) == 22.0
    assert energy.between([], []) is None


def test_an_earlier_tuning_gives_its_best_and_what_changed(tmp_path: Path) -> None:
    outcome_of(tmp_path, TuningVerdict("no change", ""))
    best, changed = earlier_best(tmp_path, {"device": "gpu", "vllm": "0.32.0"})
    assert best[0] == {"block_size": 32}
    assert changed == "device: 'cpu' -> 'gpu'"


def test_an_estimate_needs_no_server_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    asked = ["tune-vllm", str(tmp_path), "--estimate", "--system", "mi300x", "--devices", "2"]

    def answer(*more: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*asked, *more])
        return ended.value.code, *capsys.readouterr()

    code, told, _ = answer("--slo", "tpot_p99_ms<=8", "--knob", "block_size")
    assert code == 0
    assert "An estimate; nothing was run" in told
    assert "a roofline of config.json" in told
    assert "--tensor-parallel-size 2" in told
    assert "left out: block_size" in told
    for more, complaint in (
        (("--slo", "tpot_p99_ms<=0.5x"), "give a number"),
        (("--objective", "max_rate_s"), "one load"),
        (("--workload", "random:input=10,output=4,rate=2"), "arrival times"),
        (("--system", "abacus"), "mi300x"),
    ):
        code, _, complained = answer(*more)
        assert code == 2
        assert complaint in complained
    sized = answer("--slo", "tpot_p99_ms<=30", "--serve-rate", "40", "--price-per-hour", "2.5")[1]
    assert "For 40 requests/s within the limits, by estimates, a fifth of each server left free:" in sized
    assert " an hour: " in sized
    assert "percentiles are taken to be means" in sized
    assert "No configuration is estimated" in answer("--slo", "tpot_p99_ms<=0.1")[1]


@pytest.mark.llama
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_llama_cpps_server_is_tuned_verified_and_handed_over_and_the_same_again_says_so(
    llama_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    words = ["tune-llama", str(llama_model), "--workload", "random:input=16,output=4,prompts=8,concurrency=2,warm_up=2",
             "--knob", "parallel=1", "--fix", "threads=1", "--trials", "1", "--pairs", "1", "--budget", "9m",
             "--folder", str(folder)]  # fmt: skip
    for turn in range(2):
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        assert ended.value.code in (0, None), said.err
        assert ("trial 1: parallel=1" in said.out) == (turn == 0)
        assert "kept in" in said.out
    script = (folder / "serve.sh").read_text()
    assert f"--model {llama_model}" in script
    assert "--threads 1" in script
    assert (folder / "handover.html").exists()
