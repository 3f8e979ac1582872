"""``RemoteStudy`` passes the suite that ``Study`` passes, against a real server; and what only a remote study does."""

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.served import served
from contracts.study import Make, StudyContract, problem

import trialogue as tl
from trialogue.agent.errors import LedgerUnavailable, StudyNotFound
from trialogue.agent.ledger.leases import own_lease
from trialogue.api.client.study import RemoteStudy
from trialogue.serving.errors import InvalidInput


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("served") / "ledger.db"
    with served(f"sqlite:///{path}", grace_s=0.2, reap_every_s=0.2) as url:
        yield url


@pytest.fixture
def make(server: str) -> Make:
    for line in httpx2.get(f"{server}/v1/studies", params={"limit": 200}).json()["items"]:
        httpx2.delete(f"{server}/v1/studies/{line['name']}")
    return lambda problem, **options: RemoteStudy(problem, url=server, **options)


class TestRemoteStudy(StudyContract):
    pass


@pytest.fixture(scope="module")
def on_postgres(postgres_url: str) -> Iterator[str]:
    with served(postgres_url, grace_s=0.2, reap_every_s=0.2) as url:
        yield url


@pytest.mark.postgres
@pytest.mark.slow
class TestRemoteStudyOnPostgres(StudyContract):
    @pytest.fixture
    def make(self, on_postgres: str) -> Make:
        for line in httpx2.get(f"{on_postgres}/v1/studies", params={"limit": 200}).json()["items"]:
            httpx2.delete(f"{on_postgres}/v1/studies/{line['name']}")
        return lambda problem, **options: RemoteStudy(problem, url=on_postgres, **options)

    def test_cut_database_connections_are_made_anew(self, make: Make, postgres_url: str) -> None:
        import psycopg

        study = make(problem(), strategy="random")
        trial = study.ask()
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        study.tell(trial, 0.5)
        assert study.ask().number == 1
        assert study.best_trial.value == 0.5

    def test_texts_and_events_reach_the_page(self, make: Make, on_postgres: str) -> None:
        server = on_postgres
        study = make(problem(), strategy="random")
        study.tell(study.ask(), failed="a \x00 in a log")
        assert (
            httpx2.post(f"{server}/v1/studies/svm/chat", json={"text": "/show"}, timeout=60).status_code
            == 200
        )
        assert "svm" in httpx2.get(f"{server}/v1/studies/svm/report", timeout=60).text


def test_loading_what_is_not_there_says_so(server: str) -> None:
    with pytest.raises(StudyNotFound, match="no study 'nowhere'"):
        RemoteStudy.load("nowhere", url=server)


def test_a_silent_worker_s_trial_is_failed_with_its_reason_and_queued_again(make: Make) -> None:
    study = make(problem(), strategy="random")
    trial = study.ask(lease=own_lease(lasts_s=1.0))
    until = time.monotonic() + 15
    while (record := study.trial(trial.number)).state == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert record.failure is not None
    assert record.failure.kind == "lost"
    assert study.worker in record.failure.reason
    again = study.ask()
    assert again.params == trial.params
    assert f"trial {trial.number} was lost" in again.reason


def test_a_late_result_of_a_lost_trial_is_taken_and_marked(make: Make) -> None:
    study = make(problem(), strategy="random")
    trial = study.ask(lease=own_lease(lasts_s=1.0))
    until = time.monotonic() + 15
    while study.trial(trial.number).state == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
    study.tell(trial, 0.7)
    assert "recovered" in [e.kind for e in study.events()]


def test_a_worker_that_renews_keeps_its_trial(make: Make) -> None:
    study = make(problem(), strategy="random")
    trial = study.ask(lease=own_lease(lasts_s=1.0))
    for _ in range(8):
        study.renew([trial.number], 1.5)
        time.sleep(0.25)
    assert study.trial(trial.number).state == "running"


def test_a_repeated_ask_with_the_same_key_gets_the_same_trial(make: Make, server: str) -> None:
    make(problem(), name="once", strategy="random")
    headers = {"Idempotency-Key": "0123456789"}
    first, second = (
        httpx2.post(f"{server}/v1/studies/once/ask", json={"n": 2}, headers=headers).json() for _ in range(2)
    )
    assert first == second
    assert len(httpx2.get(f"{server}/v1/studies/once/trials").json()["items"]) == 2


def test_a_change_at_a_stale_revision_is_refused(make: Make, server: str) -> None:
    study = make(problem(), name="careful", strategy="random")
    tag = httpx2.get(f"{server}/v1/studies/careful").headers["etag"]
    study.note("somebody else was here")
    stale = httpx2.post(f"{server}/v1/studies/careful/order", json={"n": 1}, headers={"If-Match": tag})
    assert stale.status_code == 412
    fresh = httpx2.get(f"{server}/v1/studies/careful").headers["etag"]
    answer = httpx2.post(f"{server}/v1/studies/careful/order", json={"n": 1}, headers={"If-Match": fresh})
    assert answer.status_code == 200


def test_a_reporter_can_be_sent_to_another_process(make: Make) -> None:
    study = make(problem(), strategy="random")
    trial = study.ask()
    assert pickle.loads(pickle.dumps(study.reporter(trial.number)))(0, 0.5) is False


def test_a_budget_is_changed_over_there(make: Make) -> None:
    study = make(problem(), strategy="random", budget=tl.Budget(trials=1))
    study.budget = tl.Budget(trials=2)
    assert len(study.ask(n=5)) == 2


def test_a_planner_of_the_client_s_choosing_is_refused(make: Make) -> None:
    with pytest.raises(InvalidInput, match="planner"):
        make(problem(), planner="http://10.0.0.1/v1")


def test_a_server_that_is_away_is_said_to_be() -> None:
    with pytest.raises(LedgerUnavailable, match="trialogue serve"):
        RemoteStudy.load("x", url="http://127.0.0.1:9", retry_s=0.3)


def test_a_pruner_s_word_reaches_the_worker(tmp_path: Path) -> None:
    def evaluate(params: dict[str, Any], run: Any) -> float:
        for step in range(5):
            if run.report(step, -params["C"]):
                break
        return -params["C"]

    with served(f"sqlite:///{tmp_path}/pruned.db", pruner="median") as url:
        study = RemoteStudy(problem(), url=url, strategy="random")
        study.run(evaluate, n_trials=16)
        states = {t.state for t in study.trials}
    assert states == {"finished", "pruned"}


def test_a_study_whose_name_has_a_slash_is_reached(tmp_path: Path) -> None:
    from trialogue.agent.ledger.ledger import Ledger
    from trialogue.agent.study.study import Study
    from trialogue.api.service.keys import KeyStore

    ledger = Ledger(f"sqlite:///{tmp_path}/slash.db")
    for name in ("team/svm", "team", "50% & more?#", "ünïcode/.."):
        Study(problem(), name=name, storage=ledger, strategy="random")
    with served("", ledger=ledger, root_path="/lab") as url:
        for name in ("team/svm", "50% & more?#", "ünïcode/.."):
            study = RemoteStudy.load(name, url=f"{url}/lab")
            trial = study.ask()
            study.tell(trial, 0.5)
            assert study.best_trial.value == 0.5
        assert RemoteStudy.load("team", url=f"{url}/lab").trials == ()
        assert httpx2.get(f"{url}/lab/v1/studies/team%2fsvm/trials/0").json()["values"] == [0.5]
    key = KeyStore(ledger.database).add("one", "write", studies=["team/svm"])
    with served("", ledger=ledger, keys=True) as url:
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{url}/v1/studies/team%2Fsvm", headers=headers).status_code == 200
        for other in ("team", "team%2F", "team%2Fsvm%2F..", "..%2Fteam"):
            assert httpx2.get(f"{url}/v1/studies/{other}", headers=headers).status_code == 404
