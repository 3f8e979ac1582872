"""``trialogue verify``: fresh runs from the command line, in words and as JSON; workers run what the page ordered."""

import json
from pathlib import Path

import httpx2
import pytest
from contracts.command_line import said
from contracts.served import served

import trialogue as tl
from trialogue.api.cli.app import main
from trialogue.api.cli.worker import work
from trialogue.api.client.study import RemoteStudy

STUDY = """
[study]
name = "s"
budget = { trials = 6 }
[parameters.x]
type = "float"
low = 0.0
high = 1.0
default = 0.2
[evaluator]
command = ["{python}", "-c", "import sys, os; print(1 + float(sys.argv[1]) + os.getpid() % 7 / 100)", "{x}"]
"""
NOISY = tl.Problem(
    "noisy", tl.SearchSpace([tl.Float("x", 0, 1, default=0.2)]), [tl.Objective("y", "maximize")]
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(STUDY)
    return tmp_path


@pytest.mark.slow
def test_the_best_of_a_study_file_is_verified_by_its_program(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = said(capsys, "run", "s.toml")
    assert "Nothing was run twice" in summary
    told = said(capsys, "verify", "s.toml", "--pairs", "6", "--workers", "2")
    assert "against the default: change recommended; surely better: objective ×" in told
    assert "The search had shown" in told
    plain = json.loads(said(capsys, "verify", "s.toml", "--pairs", "6", "--json"))
    assert plain["recommendation"] == "change"
    assert plain["pairs"] <= 6
    page = said(capsys, "report", "s", "-o", "s.html").strip()
    assert "How certain?" in Path(page).read_text()
    assert "change recommended" in Path(page).read_text()


def test_a_database_that_is_not_there_is_not_made(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["verify", "s.toml"])
    assert end.value.code == 2
    assert "no such database" in capsys.readouterr().err
    assert not (here / "trialogue.db").exists()


class Evaluator:
    """Better by 0.5 at x = 1 than at 0, with noise that repeats after seven calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, params: dict[str, float]) -> float:
        self.calls += 1
        return 1 + 0.5 * params["x"] + 0.01 * (self.calls * 3 % 7)


def test_a_verification_ordered_over_http_is_run_by_the_workers_of_the_study(tmp_path: Path) -> None:
    evaluate = Evaluator()
    with served(f"sqlite:///{tmp_path}/s.db") as url:
        study = RemoteStudy(NOISY, url=url, seed=1, strategy="random", budget=tl.Budget(trials=5))
        study.run(evaluate)
        address = f"{url}/v1/studies/noisy"
        ordered = httpx2.post(f"{address}/verify", json={"pairs": 9}).json()
        assert (ordered["recommendation"], ordered["reason"]) == ("open", "0 of 9 pairs are run")
        from trialogue.api.cli import worker

        done = work(
            study, evaluate, once=True, verifications=lambda: worker._verifications(study, url, "unused")
        )
        certainty = httpx2.get(f"{address}/certainty").json()
        assert certainty["verifications"][0]["recommendation"] == "change"
        assert done == 2 * certainty["verifications"][0]["pairs"]
        told = httpx2.get(f"{url}/v1/studies/{ordered['verification']}/verification").json()
        assert told == certainty["verifications"][0]
        assert httpx2.get(f"{address}/verification").json() is None
        shown = httpx2.get(f"{url}/v1/studies/{ordered['verification']}").json()
        assert (shown["strategy"], shown["verification"]["study"]) == ("pairs", "noisy")
        refused = httpx2.post(f"{address}/verify", json={"pairs": 2})
        assert refused.status_code == 422


def test_a_strategy_that_only_looks_like_a_pairing_is_refused_and_spoils_nothing(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path}/s.db") as url:
        study = RemoteStudy(NOISY, url=url)
        study.add({"x": 0.3}, 1.0)
        for i, text in enumerate(('{"study": "noisy"}', "[]", "{", '{"study": 1, "until": "x"}')):
            body = {"name": f"noisy-verify-{i}", "problem": NOISY.to_dict(), "strategy": f"pairs:{text}"}
            made = httpx2.post(f"{url}/v1/studies", json=body)
            asked = httpx2.post(f"{url}/v1/studies/noisy-verify-{i}/ask", json={})
            shown = httpx2.get(f"{url}/v1/studies/noisy-verify-{i}")
            assert {r.status_code // 100 for r in (made, asked, shown)} <= {2, 4}, [
                r.text for r in (made, asked, shown)
            ]
        assert httpx2.get(f"{url}/v1/studies/noisy").json()["certainty"]["verifications"] == []
        assert httpx2.get(f"{url}/v1/studies").status_code == 200
