"""Optuna's gRPC proxy in front of a ledger: plain Optuna workers in processes of their own work on a study of ours."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import optuna
import pytest
from contracts.served import free_port, served_process
from contracts.study import problem

import trialogue as tl
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.server.grpc import address_of, optuna_proxy
from trialogue.serving.errors import InvalidInput

pytest.importorskip("grpc", reason="grpcio is not installed")
optuna.logging.set_verbosity(optuna.logging.WARNING)
WORKER = """
import sys, warnings
warnings.simplefilter("ignore")
import optuna
from contracts.study import space
from trialogue.agent.optuna.sampler import TrialogueSampler
port, n, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
samplers = {"random": optuna.samplers.RandomSampler, "ours": lambda: TrialogueSampler(space(), strategy="random")}
study = optuna.load_study(
    study_name="svm", storage=optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port), sampler=samplers[kind]()
)
def objective(trial):
    if trial.suggest_categorical("kernel", ["linear", "rbf"]) == "rbf":
        trial.suggest_float("gamma", 1e-5, 1e1, log=True)
    return trial.suggest_float("C", 1e-3, 1e3, log=True)
study.optimize(objective, n_trials=n)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(f"sqlite:///{tmp_path}/proxy.db")
    yield made
    made.database.close()


def workers(port: int, n: int, *kinds: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    started = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(port), str(n), kind], env=environment)
        for kind in kinds
    ]
    assert [one.wait(120) for one in started] == [0] * len(kinds)


@pytest.mark.slow
def test_processes_behind_the_proxy_and_workers_of_ours_share_a_study(ledger: Ledger) -> None:
    study = Study(problem(), storage=ledger, strategy="random")
    with optuna_proxy(ledger, "127.0.0.1", 0) as port:
        held = study.ask()
        workers(port, 6, "random", "random", "ours")
        study.tell(held, 0.5)
    study.run(lambda params: params["C"], n_trials=3)
    found = study.trials
    assert [t.number for t in found] == list(range(22))
    assert {t.state for t in found} == {"finished"}
    sources = [t.source for t in found]
    assert sources.count("optuna") == 12
    assert sources.count("random") == 6 + 4  # TrialogueSampler signs its trials; ours were asked here
    assert len(study.refresh()) == 22
    assert [t.number for t in optuna.load_study(study_name="svm", storage=ledger.url).trials] == list(
        range(22)
    )


@pytest.mark.slow
def test_a_server_with_the_proxy_shows_what_they_did(tmp_path: Path) -> None:
    storage, proxy = f"sqlite:///{tmp_path}/served.db", free_port()
    Study(problem(), storage=storage, strategy="random")
    serve = (sys.executable, "-m", "trialogue.api", "serve", "--storage", storage, "--log-level", "error")
    with served_process(*serve, "--port", "{port}", "--grpc", str(proxy)) as (url, _):
        workers(proxy, 3, "random")
        assert httpx2.get(f"{url}/v1/studies/svm/best").status_code == 200
        items = httpx2.get(f"{url}/v1/studies/svm/trials").json()["items"]
        assert [t["source"] for t in items] == ["optuna"] * 3


def test_it_stays_on_this_machine_unless_told_otherwise(ledger: Ledger) -> None:
    assert address_of("13000") == ("127.0.0.1", 13000)
    assert address_of("[::1]:1") == ("::1", 1)
    assert address_of("0.0.0.0:13000", anyone=True) == ("0.0.0.0", 13000)
    for wrong in ("0.0.0.0:13000", "x", "1:99999"):
        with pytest.raises(InvalidInput, match="--grpc"):
            address_of(wrong)
    with pytest.raises(InvalidInput, match="database that stays"), optuna_proxy(Ledger(), "127.0.0.1", 0):
        pass


def test_limits_are_seen_by_optuna_and_its_dashboard(ledger: Ledger) -> None:
    limited = tl.Problem(
        "limited", tl.SearchSpace([tl.Float("x", 0, 1)]), constraints=["size <= 3", "speed >= 1"]
    )
    study = Study(limited, storage=ledger, strategy="random")
    study.tell(study.ask(), tl.Measurement(0.5, constraints={"size": 4.0, "speed": 2.0}))
    (theirs,) = optuna.load_study(study_name="limited", storage=ledger.url).trials
    assert theirs.constraints["size"] == 1.0
    assert theirs.system_attrs["constraints"] == [1.0, -1.0]  # the form that optuna-dashboard reads
