"""SGLang's server as a target, on a scripted process that takes its documented flags and answers like it. No real SGLang."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.tunable import TunableContract
from tests.evaluators.engines.scripted_sglang import installed
from trialogue.api.cli.app import main
from trialogue.evaluators.engines.contract import Params
from trialogue.evaluators.engines.sglang import prepared, sglang_servers, sglang_space
from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.settings import TargetSettings, Wanted
from trialogue.evaluators.servers.target import ServerTarget
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.sglang.environment import VARIABLE, find_sglang

WORKLOAD = "random:input=16,output=4,prompts=6,concurrency=2,warm_up=2"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment with a scripted SGLang; the file of what is asked of its servers."""
    monkeypatch.setenv(VARIABLE, str(installed(tmp_path / "sglang")))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked.jsonl"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    return tmp_path / "asked.jsonl"


def told(path: Path, name: str) -> list:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [e[name] for e in events if name in e]


def test_the_space_is_of_this_version_and_these_devices(asked: Path) -> None:
    flags = find_sglang().flags()
    del flags["num_continuous_decode_steps"]
    said: list[str] = []
    space = sglang_space(flags, 2, say=said.append)
    assert "num_continuous_decode_steps" in said[0]
    default = space.default()
    assert default == {
        "schedule_policy": None, "chunked_prefill_size": None, "max_running_requests": None, "mem_fraction_static": None,
        "schedule_conservativeness": 1.0, "enable_mixed_chunk": False, "tensor_parallel_size": 1, "data_parallel_size": 1,
    }  # fmt: skip
    assert not space.satisfies({**default, "tensor_parallel_size": 2, "data_parallel_size": 2})
    assert "tensor_parallel_size" not in sglang_space(flags, 1)
    with pytest.raises(InvalidSpecification, match="model_path"):
        sglang_space(flags, 1, knobs={"model_path": ["a", "b"]})
    with pytest.raises(InvalidSpecification, match="lossy"):
        sglang_space(flags, 1, knobs={"kv_cache_dtype": []})


def test_the_command_is_sglangs_and_a_switch_that_is_off_is_not_said(asked: Path, tmp_path: Path) -> None:
    environment = find_sglang()
    space = sglang_space(
        environment.flags(), 2, knobs={"disable_overlap_schedule": [True, False], "tp_size": [2]}
    )
    settings = TargetSettings("m", Workload.parse(WORKLOAD), tmp_path, {"enable_mixed_chunk": False})
    with sglang_servers(environment, settings, space, 999) as target:
        assert target.spec(space.default()).command() == "python3 -m sglang.launch_server --model-path m"
        changed = target.spec({"disable_overlap_schedule": True, "tp_size": 2}).argv()
        assert changed == ["--model-path", "m", "--disable-overlap-schedule", "--tp-size", "2"]


class TestSglangServers(TunableContract):
    @pytest.fixture
    def target(self, asked: Path, tmp_path: Path) -> Iterator[ServerTarget]:
        wanted = Wanted(str(tiny_model()), WORKLOAD, tmp_path / "runs", lossy=True)
        with prepared(wanted, objective_named("output_tok_s"), (), say=lambda line: None) as (made, _, _):
            yield made

    @pytest.fixture
    def changed(self) -> Params:
        return {"chunked_prefill_size": 2048}

    def test_records_say_what_was_asked_and_what_the_server_took(
        self, target: ServerTarget, asked: Path
    ) -> None:
        (result,) = target.measure({"max_running_requests": 32}).results
        guarded, argv = told(asked, "argv")  # the default answers first, for the guard of lossy knobs
        assert guarded[2:3] == ["--host"]
        assert argv[2:4] == ["--max-running-requests", "32"]
        assert result.raw["max_running_requests"] == 32
        assert result.raw["max_total_num_tokens"] == 4096
        assert result.metrics["output_tok_s"] > 0
        assert told(asked, "path").count("/flush_cache") == 1  # before the load that counts

    def test_what_the_server_refuses_is_a_failure_in_its_words(self, target: ServerTarget) -> None:
        failure = target.measure({"schedule_policy": "shortest"}).failure
        assert failure is not None
        assert failure.kind == "illegal_argument"
        assert "invalid choice: 'shortest'" in str(failure)


def test_a_tuning_is_run_by_its_command_and_handed_over(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tuned"
    words = ["tune-sglang", str(tiny_model()), "--workload", WORKLOAD, "--knob", "max_running_requests=8,64", "--trials",
             "2", "--pairs", "1", "--budget", "4m", "--folder", str(folder)]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert ended.value.code in (0, None), said.err
    assert "never on a real one" in said.out
    assert "trial 2:" in said.out
    assert "-m sglang.launch_server --model-path" in (folder / "serve.sh").read_text()
    assert {len(argv) for argv in told(asked, "argv")} == {10, 12}  # the default's, and with one flag
