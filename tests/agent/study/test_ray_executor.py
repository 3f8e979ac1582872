"""Evaluations on a local Ray cluster of several nodes."""

import os
import warnings
from collections.abc import Iterator

import pytest

from trialogue.evaluators.errors import EvaluationFailed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args=head)
    for i in range(2):
        made.add_node(num_cpus=1, resources={"accelerator": 1, f"node{i}": 1}, object_store_memory=80_000_000)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def where(_: int) -> str:
    import time

    time.sleep(0.5)
    return ray.get_runtime_context().get_node_id()


def test_tasks_spread_over_the_machines_that_have_the_resource(cluster: object) -> None:
    from trialogue.agent.study.ray_executor import RayExecutor

    with RayExecutor(resources={"accelerator": 1}) as executor:
        nodes = {f.result(timeout=60) for f in [executor.submit(where, i) for i in range(4)]}
    assert len(nodes) == 2


def test_an_error_comes_back_as_it_was(cluster: object) -> None:
    from trialogue.agent.study.ray_executor import RayExecutor

    def fail() -> None:
        raise ValueError("no such kernel")

    with RayExecutor() as executor, pytest.raises(ValueError, match="no such kernel"):
        executor.submit(fail).result(timeout=60)


def test_a_process_that_dies_is_an_infrastructure_failure(cluster: object) -> None:
    from trialogue.agent.study.ray_executor import RayExecutor

    def die() -> None:
        os._exit(1)

    with RayExecutor() as executor, pytest.raises(EvaluationFailed) as caught:
        executor.submit(die).result(timeout=60)
    assert caught.value.kind == "infrastructure"


def test_a_study_runs_its_trials_on_the_cluster(cluster: object) -> None:
    import trialogue as tl
    from trialogue.agent.study.ray_executor import RayExecutor

    def evaluate(params: dict[str, float]) -> float:
        if params["x"] > 0.9:
            raise RuntimeError("too far")
        return (params["x"] - 0.3) ** 2

    study = tl.Study(tl.Problem("on-ray", tl.SearchSpace([tl.Float("x", 0, 1)])), strategy="random")
    with RayExecutor(resources={"accelerator": 1}) as executor:
        assert executor.max_workers == 2
        assert study.run(evaluate, n_trials=8, executor=executor).trials == 8
    assert all((t.state == "failed") == (t.params["x"] > 0.9) for t in study.trials)
    assert study.best_trial.params["x"] < 0.9
