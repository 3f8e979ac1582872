"""A disk that is full for a while: requests are refused with the reason, nothing acknowledged is lost, and then it goes on."""

import resource
import sqlite3
import sys
from pathlib import Path

import httpx2
import pytest
from contracts.served import served_process
from contracts.study import problem

from trialogue.agent.study.study import Study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit"),
]


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    command = (
        sys.executable,
        "-m",
        "trialogue.api",
        "serve",
        "--port",
        "{port}",
        "--storage",
        f"sqlite:///{database}",
    )
    with served_process(*command) as (url, process):
        made = {"name": "s", "problem": problem().to_dict(), "strategy": "random"}
        assert httpx2.post(f"{url}/v1/studies", json=made).status_code == 201
        here, told = f"{url}/v1/studies/s", {}
        for value in (0.25, 0.5):
            number = httpx2.post(f"{here}/ask", json={}).json()["trials"][0]["number"]
            body = {"measurement": {"values": value}}
            assert httpx2.post(f"{here}/trials/{number}/tell", json=body).status_code == 200
            told[number] = value
        held = httpx2.post(f"{here}/ask", json={}).json()["trials"][0]["number"]
        key = {"Idempotency-Key": "0123456789"}

        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for _ in range(3):
            refused = [
                httpx2.post(f"{here}/ask", json={}, headers=key),
                httpx2.post(f"{here}/trials/{held}/tell", json={"measurement": {"values": 0.75}}),
                httpx2.post(f"{here}/note", json={"text": "x"}),
            ]
            assert [r.status_code for r in refused] == [503, 503, 503]
            assert "disk" in refused[0].json()["detail"]
            assert refused[0].headers["retry-after"]
            assert httpx2.get(f"{here}/trials").status_code == 200  # reading goes on
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        assert httpx2.post(f"{here}/ask", json={}, headers=key).json()["trials"][0]["number"] == 3
        assert (
            httpx2.post(f"{here}/trials/{held}/tell", json={"measurement": {"values": 0.75}}).status_code
            == 200
        )
    study = Study.load("s", storage=f"sqlite:///{database}", reap=False)
    assert {t.number: t.value for t in study.trials if t.state == "finished"} == {**told, held: 0.75}
    assert [e.number for e in study.events()] == list(range(1, 9))
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
