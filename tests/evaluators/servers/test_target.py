"""The target: what it asks of its servers and how it takes their failures. The server's side of the wire is scripted."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.tunable import TunableContract
from trialogue.evaluators.engines.contract import Params
from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.loads import deadline_of
from trialogue.evaluators.servers.rate import highest_rate
from trialogue.evaluators.servers.settings import TargetSettings
from trialogue.evaluators.servers.target import ServerTarget
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.errors import InvalidInput
from trialogue.serving.servers.load import LoadResult
from trialogue.serving.vllm.environment import VllmEnvironment

SCRIPT = Path(__file__).with_name("scripted_host.py")
SMALL = {"max_num_seqs": 8}
Made = Callable[..., ServerTarget]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a maker of targets on scripted servers that follow ``rules``."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPT} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("SCRIPTED", str(tmp_path))

    def make(*rules: dict[str, Any], **settings: Any) -> ServerTarget:
        (tmp_path / "rules.json").write_text(json.dumps(rules))
        workload = Workload.parse("random:prompts=4,concurrency=2,output=4")
        given = TargetSettings("model", workload, tmp_path / "runs", start_deadline_s=30.0)
        return ServerTarget(VllmEnvironment(python, "0.32", False), replace(given, **settings))

    return make


def events(folder: Path, kind: str) -> list[str]:
    lines = (json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines())
    return [" ".join(e["argv"]) for e in lines if e["event"] == kind]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "runs" / "attempts.jsonl").read_text().splitlines()]


class TestServerTarget(TunableContract):
    """vLLM's side of the wire is scripted."""

    @pytest.fixture
    def target(self, made: Made) -> Iterator[ServerTarget]:
        with made() as target:
            yield target

    @pytest.fixture
    def changed(self) -> Params:
        return SMALL


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_with_its_name_and_the_cure(
    name: str, made: Made, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    told = f"can be made and written, got '{tmp_path / name}' .*; give another `--folder`"
    with pytest.raises(InvalidInput, match=told):
        made(folder=tmp_path / name)


def test_a_disk_without_room_is_refused_before_anything_is_started(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialogue.evaluators.servers.settings.ROOM", 2**70)
    with pytest.raises(
        InvalidInput, match=r"MiB free, got .* MiB at .*; free some, or give another `--folder`"
    ):
        made()


# Rates ----------------------------------------------------------------------------------------------------------


def test_a_load_at_a_rate_is_the_workloads_own_but_for_the_rate(tmp_path: Path) -> None:
    workload = Workload.parse("random:prompts=40,burstiness=0.5,seed=3,concurrency=4")
    settings = TargetSettings("model", workload, tmp_path, goodput={"ttft": 200.0})
    with ServerTarget(VllmEnvironment(Path("python"), "0.32", True), settings) as target:
        plan = target.plan_at(2.0)
    assert (plan.rate, plan.concurrency, plan.burstiness, plan.seed) == (2.0, None, 0.5, 3)
    assert (plan.goodput, plan.timeout_s) == ({"ttft": 200.0}, 50.0)
    assert len(plan.requests.read_text().splitlines()) == 40


def test_each_rate_meets_an_empty_prefix_cache(made: Made, tmp_path: Path) -> None:
    with made() as target:
        target.measure({})
        before = len(events(tmp_path, "reset"))
        assert [target.load(target.plan_at(rate)).ok for rate in (1.0, 2.0)] == [True, True]
        assert len(events(tmp_path, "reset")) == before + 2
    kept = [json.loads(line) for line in (tmp_path / "runs" / "rates.jsonl").read_text().splitlines()]
    assert [(k["plan"]["rate"], k["result"]["metrics"]["requests_s"]) for k in kept] == [
        (1.0, 10.0),
        (2.0, 10.0),
    ]


def test_a_server_that_dies_at_a_rate_ends_the_search_of_rates(made: Made, tmp_path: Path) -> None:
    with made() as target:
        assert target.measure({}).failure is None
        (tmp_path / "rules.json").write_text(json.dumps([{"when": "default", "reset": "die"}]))
        found = highest_rate(lambda rate: target.load(target.plan_at(rate)), [], 1.0)
    assert found.failure is not None
    assert (found.failure.kind, len(found.tried)) == ("killed", 1)


def test_the_result_at_the_highest_rate_is_kept() -> None:
    found = highest_rate(lambda r: LoadResult({"requests_s": min(r, 3.0)}), [], 1.0)
    assert found.result is not None
    assert found.result.metrics["requests_s"] == min(found.best, 3.0)


# Failures between loads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("act", "kind"), [("500", "hang"), ("cut", "hang"), ("die", "killed")])
def test_an_engine_that_dies_between_loads_is_a_failure_of_the_trial(
    made: Made, tmp_path: Path, act: str, kind: str
) -> None:
    """The API process answers for a dead engine with status 500, or not at all; the completion says that it is dead."""
    rules = [
        {"when": "--max-num-seqs", "reset": act},
        {"when": "--max-num-seqs", "completions": "500", "times": 99},
    ]
    with made() as target:
        target.settings = replace(target.settings, rungs=Rungs(preflight=False))
        assert target.measure({}).failure is None
        first = target.measure(SMALL)
        (tmp_path / "rules.json").write_text(json.dumps(rules))
        grown = target.more(first)
        assert grown.failure is not None
        assert grown.failure.kind == kind
        (tmp_path / "rules.json").write_text("[]")
        assert target.measure(SMALL).failure is None


def test_a_kill_from_outside_between_loads_is_retried_once(made: Made, tmp_path: Path) -> None:
    with made({"when": "--max-num-seqs", "reset": "die", "times": 1}) as target:
        attempt = target.measure(SMALL, label="trial 7")
        assert attempt.failure is None
        assert len(events(tmp_path, "start")) == 2
    first, second = records(tmp_path)
    assert (first["label"], first["tries"], first["failure"]["kind"]) == ("trial 7", 1, "killed")
    assert (second["label"], second["tries"], second["failure"]) == ("trial 7", 2, None)


def test_further_repeats_survive_a_kill_and_keep_the_results(made: Made, tmp_path: Path) -> None:
    with made() as target:
        first = target.measure(SMALL)
        (tmp_path / "rules.json").write_text(
            json.dumps([{"when": "--max-num-seqs", "reset": "die", "times": 1}])
        )
        grown = target.more(first)
    assert (grown.failure, len(grown.results)) == (None, 2)


def test_further_repeats_of_an_ordinary_start_use_the_server_that_runs(made: Made, tmp_path: Path) -> None:
    with made() as target:
        grown = target.more(target.measure(SMALL, rung="ordinary"))
        assert (len(grown.results), target.starts) == (2, 1)


def test_a_default_beside_that_dies_is_started_anew_and_the_attempt_retried(
    made: Made, tmp_path: Path
) -> None:
    with made({"when": "default", "reset": "die", "times": 1}, rungs=Rungs(beside=True)) as target:
        attempt = target.measure(SMALL)
    assert attempt.failure is None
    assert (len(attempt.results), len(attempt.beside)) == (1, 1)
    started = events(tmp_path, "start")
    assert sum("--max-num-seqs" in s for s in started) == 1
    assert sum("--max-num-seqs" not in s for s in started) == 2
    first = records(tmp_path)[0]
    assert first["failure"]["kind"] == "default_failed"
    assert first["failure"]["cause"]


def test_a_server_that_is_dead_when_a_trial_begins_is_not_blamed_on_the_trial(
    made: Made, tmp_path: Path
) -> None:
    with made() as target:
        target.measure(SMALL)
        (tmp_path / "rules.json").write_text(
            json.dumps([{"when": "--max-num-seqs", "completions": "die", "times": 1}])
        )
        again = target.measure(SMALL, reuse=False)
    assert (again.failure, again.rung, target.starts) == (None, "fork", 2)


def test_a_host_that_dies_twice_at_the_preflight_leaves_the_configuration_to_be_measured(
    made: Made, tmp_path: Path
) -> None:
    with made({"when": "preflight", "preflight": "die", "times": 2}) as target:
        attempt = target.measure(SMALL)
    assert (attempt.failure, attempt.digest, len(attempt.results)) == (None, "", 1)


@pytest.mark.parametrize(
    ("beside", "kind"), [(False, "device_occupied"), (True, "out_of_memory_at_kv_allocation")]
)
def test_memory_that_the_default_beside_holds_is_no_accident(made: Made, beside: bool, kind: str) -> None:
    words = "Free memory on device cuda:0 (9.2/79.1 GiB) on startup is less than desired GPU memory utilization (0.9)"
    with made({"when": "--max-num-seqs", "exit": words}, rungs=Rungs(beside=beside)) as target:
        attempt = target.measure(SMALL)
    assert attempt.failure is not None
    assert attempt.failure.kind == kind


# Deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "known_s", "deadline_s"),
    [
        ("random:prompts=10,output=10", None, 120.0),
        ("random:prompts=1000,rate=5,output=1", None, 400.0),
        ("random:prompts=1000,rate=5,output=1", 210.0, 1260.0),
        ("random:prompts=100,output=100", None, 1000.0),
        ("random:prompts=100,output=100", 4.0, 120.0),
    ],
)
def test_a_load_may_last_as_long_as_its_workload_needs(
    text: str, known_s: float | None, deadline_s: float
) -> None:
    assert deadline_of(Workload.parse(text), known_s) == deadline_s


def test_recorded_arrivals_are_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    rows = [{"input_len": 9, "output_len": 3, "at_s": at} for at in (0.0, 300.0)]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert deadline_of(Workload.parse(f"{file}@recorded=true"), 10.0) == 360.0


def test_the_deadline_follows_the_default_once_it_is_known_and_a_stated_one_rules(
    made: Made, tmp_path: Path
) -> None:
    with made() as target:
        target.measure({})
        assert target._loads.plans.deadline_s() == 120.0
        target.scale = {"duration_s": 100.0}
        assert target._loads.plans.deadline_s() == 600.0
        target.settings = replace(target.settings, load_deadline_s=7.0)
        assert target._loads.plans.deadline_s() == 7.0


# The guard of lossy knobs -----------------------------------------------------------------------------------------

LOSSY = {"quantization": "fp8"}
OTHER = {"when": "--quantization", "text": "quite other words"}


def test_the_reference_is_the_defaults_even_where_the_session_goes_on_later(
    made: Made, tmp_path: Path
) -> None:
    with made(OTHER, guard=True) as target:
        assert target.measure({}).agreement == 1.0
    with made(OTHER, guard=True) as target:  # a later session, which does not measure the default again
        assert target.measure(LOSSY).agreement == 0.0
        assert target.starts == 1


@pytest.mark.parametrize("beside", [False, True])
def test_a_reference_that_is_missing_is_asked_of_a_default(made: Made, beside: bool) -> None:
    with made(OTHER, guard=True, rungs=Rungs(beside=beside)) as target:
        attempt = target.measure(LOSSY)
        assert (attempt.failure, attempt.agreement) == (None, 0.0)
        assert target.starts == 2


def test_the_reference_of_another_model_is_not_used(made: Made) -> None:
    with made(OTHER, guard=True) as target:
        target.measure({})
    with made(OTHER, guard=True, model="other") as target:
        assert target.measure({}).agreement == 1.0
        assert json.loads((target.settings.folder / "agreement.json").read_text())["of"]["argv"] == ["other"]


# Records ----------------------------------------------------------------------------------------------------------


def test_a_failure_is_recorded_with_the_log_of_the_server_that_failed(made: Made, tmp_path: Path) -> None:
    words = "(EngineCore pid=1) ERROR 11-23 10:00:00 [core.py:9] ValueError: No common block size for 7"
    rungs = Rungs(eager=True, live=True)
    with made(
        {"when": "--max-num-seqs", "exit": words}, rungs=rungs, ceilings={"max_num_seqs": 64}
    ) as target:
        attempt = target.measure(SMALL, label="trial 1")
    assert attempt.failure is not None
    assert attempt.failure.kind == "unsupported_combination"
    record = records(tmp_path)[-1]
    assert "No common block size" in record["log_tail"]
    assert Path(record["log"]).read_text().strip() == words
    assert record["argv"][record["argv"].index("--max-num-seqs") + 1] == "64"
    assert {"--enforce-eager", "--scheduler-cls", "--port"} <= set(record["argv"])
    assert record["variables"]["TRIALOGUE_LIVE_KNOBS"].endswith("live.json")
    assert record["label"] == "trial 1"


def test_variables_of_a_server_are_recorded_whatever_the_environment_says(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
    with made(variables={"VLLM_CPU_KVCACHE_SPACE": "4"}) as target:
        target.measure({})
    assert records(tmp_path)[0]["variables"]["VLLM_CPU_KVCACHE_SPACE"] == "4"


def test_a_configuration_that_was_measured_before_is_recorded_as_such(made: Made, tmp_path: Path) -> None:
    with made() as target:
        target.measure({}, label="default")
        target.measure({}, label="trial 3")
    assert [(r["label"], bool(r["shared"]), len(r["results"])) for r in records(tmp_path)] == [
        ("default", False, 1), ("trial 3", True, 0),
    ]  # fmt: skip
