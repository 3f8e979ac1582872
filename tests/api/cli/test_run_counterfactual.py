"""``trialogue counterfactual``: what a planner was worth in a study of a recorded table."""

import itertools
import json
from pathlib import Path

import pytest
from contracts.command_line import said

from trialogue.api.cli.app import main
from trialogue.serving.scripted import behaviours as scripted
from trialogue.serving.scripted.server import ScriptedServer

STUDY = """
[study]
name = "s"
seed = 1
planner = "{planner}"
budget = {{ trials = 12 }}
[problem]
objectives = [{{ name = "loss", direction = "minimize" }}]
[evaluator]
replay = "table.csv"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = ((a, b, (a - 7) ** 2 + (b - 2) ** 2) for a, b in itertools.product(range(10), range(10)))
    (tmp_path / "table.csv").write_text("\n".join(["a,b,loss", *(f"{a},{b},{y}" for a, b, y in rows)]))
    return tmp_path


def test_what_the_planner_was_worth_is_said_in_words_as_a_table_and_as_data(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(
        scripted.expert(lambda rng: {"a": rng.choice([6, 7, 8]), "b": rng.choice([1, 2, 3])})
    ) as server:
        (here / "s.toml").write_text(STUDY.format(planner=server.url))
        run = json.loads(said(capsys, "run", "s.toml", "--json"))
    text = said(capsys, "counterfactual", "s.toml")
    assert text.startswith("Best loss after 12 trials: ")
    assert text.splitlines()[2].split() == ["trials", "with", "without"]
    assert [line.split()[0] for line in text.splitlines()[3:]] == ["5", "10", "12"]
    plain = json.loads(said(capsys, "counterfactual", "s.toml", "--json"))
    assert plain["exact"]
    assert plain["best"][-1] == run["best"]["values"][0]
    assert (len(plain["trials"]), plain["spent"]["calls"] > 0) == (12, True)


def test_a_study_without_a_planner_has_no_counterfactual(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "s.toml").write_text(STUDY.format(planner="none").replace('planner = "none"\n', ""))
    said(capsys, "run", "s.toml", "--trials", "2", "--json")
    with pytest.raises(SystemExit) as end:
        main(["counterfactual", "s.toml"])
    assert end.value.code == 2
    assert "no planner had a part" in capsys.readouterr().err
