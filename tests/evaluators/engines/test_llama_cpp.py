"""llama.cpp's server as a target: its space, and on a real one what a tuning is promised.

The real one is what ``make llama`` builds, with a made model.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.gguf_file import gguf_of

from tests.contracts.tunable import TunableContract
from trialogue.agent.tuning.plan import TuningPlan
from trialogue.agent.tuning.tuner import Tuning
from trialogue.evaluators.engines.contract import Params
from trialogue.evaluators.engines.llama_cpp import llama_servers
from trialogue.evaluators.engines.llama_space import llama_space
from trialogue.evaluators.servers.attempt import Rungs
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.settings import TargetSettings
from trialogue.evaluators.servers.target import ServerTarget
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.llama_cpp.environment import LlamaEnvironment, LlamaNotInstalled, find_llama
from trialogue.serving.models.sample_models import tiny_model

FLAGS = dict.fromkeys(("threads", "threads_batch", "parallel"), "(default: -1)")
WORKLOAD = "random:input=32,output=8,prompts=8,concurrency=4,warm_up=2"


def test_defaults_are_not_on_the_command_line_and_slots_have_room(tmp_path: Path) -> None:
    space = llama_space(FLAGS, 2)
    settings = TargetSettings("m.gguf", Workload.parse(WORKLOAD), tmp_path)
    target = llama_servers(LlamaEnvironment(Path("llama-server"), "1"), settings, space)
    default = space.default()
    assert target.spec(default).command() == "llama-server --model m.gguf --ctx-size 512"
    assert target.spec({**default, "threads": 2}).argv()[-2:] == ["--threads", "2"]
    assert target.settings.fixed == {"ctx_size": 512}  # eight slots of 40 tokens, in steps of 256
    assert target.settings.rungs == Rungs(preflight=False, fork=False)


def test_a_default_that_chooses_its_slots_has_room_for_them(tmp_path: Path) -> None:
    settings = TargetSettings("m.gguf", Workload.parse("random:input=500,output=12,concurrency=1"), tmp_path)
    space = llama_space(FLAGS, 2, useful={"parallel": 1})
    target = llama_servers(LlamaEnvironment(Path("llama-server"), "1"), settings, space)
    assert target.settings.fixed == {"ctx_size": 2048}  # not told, it has four slots


def test_a_context_of_ones_own_stays(tmp_path: Path) -> None:
    settings = TargetSettings("m.gguf", Workload.parse(WORKLOAD), tmp_path, fixed={"ctx_size": 4096})
    target = llama_servers(LlamaEnvironment(Path("llama-server"), "1"), settings, llama_space(FLAGS, 2))
    assert target.settings.fixed == {"ctx_size": 4096}


def test_slots_that_hold_for_all_have_room(tmp_path: Path) -> None:
    fixed = {"parallel": 32}
    settings = TargetSettings("m.gguf", Workload.parse(WORKLOAD), tmp_path, fixed=fixed)
    space = llama_space(FLAGS, 2, fixed=fixed)
    target = llama_servers(LlamaEnvironment(Path("llama-server"), "1"), settings, space)
    assert target.settings.fixed == {"ctx_size": 1280, **fixed}  # it was that of eight slots


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    gguf_of(tiny_model(), file)
    return file


@pytest.fixture
def servers(tmp_path: Path, model: Path) -> Iterator[ServerTarget]:
    settings = TargetSettings(
        str(model), Workload.parse(WORKLOAD), tmp_path, {"threads": 1}, guard=True
    )  # one thread: several wait for each other where cores are shared
    environment = installed()
    space = llama_space(environment.flags(), 2, fixed=settings.fixed)
    with llama_servers(environment, settings, space) as made:
        yield made


def installed() -> LlamaEnvironment:
    try:
        return find_llama()
    except LlamaNotInstalled as error:
        pytest.skip(str(error))


@pytest.mark.llama
@pytest.mark.slow
@pytest.mark.timeout(600)
class TestLlamaServers(TunableContract):
    @pytest.fixture
    def target(self, servers: ServerTarget) -> ServerTarget:
        return servers

    @pytest.fixture
    def changed(self) -> Params:
        return {"parallel": 1}


@pytest.mark.llama
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_does_not_start_and_one_that_dies_are_failures_in_words(
    servers: ServerTarget,
) -> None:
    failed = servers.measure({"flash_attn": "perhaps"})
    assert failed.failure is not None
    assert failed.failure.phase == "start"
    assert servers.measure({"parallel": 1}).failure is None
    servers.stop_server()
    assert not servers.reuses({"parallel": 1})


@pytest.mark.llama
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tuning_runs_from_default_to_verdict(servers: ServerTarget) -> None:
    space = SearchSpace([Categorical("parallel", [None, 1, 4], default=None)])
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=2, pairs=2, most_pairs=2, budget_s=600)
    outcome = Tuning(plan, servers, space, say=lambda line: None).run()
    assert outcome.study.problem.name == "llama.cpp"
    assert {t.params["parallel"] for t in outcome.study.trials} == {None, 1, 4}
    assert outcome.verdict.recommendation in ("change", "no change")
    assert outcome.default_command.startswith("llama-server --model")
