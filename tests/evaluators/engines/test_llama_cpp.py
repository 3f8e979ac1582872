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
from trialogue.evaluators.engines.llama_cpp import LlamaServers, llama_settings, llama_space
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.llama_cpp.environment import LlamaEnvironment, LlamaNotInstalled, find_llama
from trialogue.serving.models.sample_models import tiny_model

WORKLOAD = "random:input=32,output=8,prompts=8,concurrency=4,warm_up=2"


def test_the_space_has_the_servers_defaults_and_no_smaller_batch_than_its_part() -> None:
    space = llama_space(4)
    assert space.default()["batch_size"] == 2048
    assert space.satisfies(space.default())
    assert not space.satisfies({**space.default(), "batch_size": 256})
    assert max(c for c in space["threads"].choices if c is not None) == 4  # pyright: ignore[reportAttributeAccessIssue]


def test_defaults_are_not_on_the_command_line_and_slots_have_room(tmp_path: Path) -> None:
    settings = llama_settings(Path("m.gguf"), Workload.parse(WORKLOAD), tmp_path, llama_space(2))
    target = LlamaServers(LlamaEnvironment(Path("llama-server"), "1"), settings)
    default = llama_space(2).default()
    assert target.spec(default).command() == "llama-server --model m.gguf --ctx-size 512"
    assert target.spec({**default, "threads": 2}).argv()[-2:] == ["--threads", "2"]
    assert settings.fixed == {"ctx_size": 512}  # eight slots of 40 tokens, in steps of 256


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    gguf_of(tiny_model(), file)
    return file


@pytest.fixture
def servers(tmp_path: Path, model: Path) -> Iterator[LlamaServers]:
    try:
        environment = find_llama()
    except LlamaNotInstalled as error:
        pytest.skip(str(error))
    settings = llama_settings(model, Workload.parse(WORKLOAD), tmp_path, llama_space(2))
    with LlamaServers(environment, settings) as made:
        yield made


@pytest.mark.llama
@pytest.mark.slow
class TestLlamaServers(TunableContract):
    @pytest.fixture
    def target(self, servers: LlamaServers) -> LlamaServers:
        return servers

    @pytest.fixture
    def changed(self) -> Params:
        return {"threads": 1}


@pytest.mark.llama
@pytest.mark.slow
def test_a_server_that_does_not_start_and_one_that_dies_are_failures_in_words(
    servers: LlamaServers,
) -> None:
    failed = servers.measure({"flash_attn": "perhaps"})
    assert failed.failure is not None
    assert failed.failure.phase == "start"
    assert servers.measure({"threads": 1}).failure is None
    servers.stop_server()
    assert not servers.reuses({"threads": 1})


@pytest.mark.llama
@pytest.mark.slow
def test_a_tuning_runs_from_default_to_verdict(servers: LlamaServers) -> None:
    space = SearchSpace([Categorical("parallel", [None, 1, 4], default=None)])
    plan = TuningPlan("model", objective_named("output_tok_s"), trials=2, pairs=2, most_pairs=2, budget_s=600)
    outcome = Tuning(plan, servers, space, say=lambda line: None).run()
    assert outcome.study.problem.name == "llama.cpp"
    assert {t.params["parallel"] for t in outcome.study.trials} == {None, 1, 4}
    assert outcome.verdict.recommendation in ("change", "no change")
    assert outcome.default_command.startswith("llama-server --model")
