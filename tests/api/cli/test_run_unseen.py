"""``trialogue test``: a study file with tuning and test seeds, from the command line to the report."""

import json
from pathlib import Path

import pytest
from contracts.command_line import said

STUDY = """
[study]
name = "s"
strategy = "random"
budget = { trials = 4 }
[protocol]
seeds = { tuning = [0, 1], test = [100, 101, 102] }
data = { tuning = ["old"], test = ["new"] }
[problem]
objectives = [{ name = "y", direction = "maximize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
[evaluator]
command = ["{python}", "score.py", "{x}", "{seed}", "{data}"]
"""


@pytest.mark.slow
def test_a_winner_is_tested_on_what_the_file_keeps_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(STUDY)
    Path("score.py").write_text(
        "import sys\nx, seed, data = sys.argv[1:]\nprint(float(x) + int(seed) - 1000 * (data == 'new'))\n"
    )
    said(capsys, "run", "s.toml")
    told = said(capsys, "test", "s.toml")
    assert "on 3 unseen (new, seed 100; new, seed 101; new, seed 102): y -89" in told
    plain = json.loads(said(capsys, "test", "s.toml", "--json"))
    assert plain["optimism"] == pytest.approx(1000.5 - 101)
    assert "Each configuration was measured on old, seed 0; old, seed 1." in said(capsys, "run", "s.toml")
    page = Path(said(capsys, "report", "s", "-o", "s.html").strip()).read_text()
    assert "unseen (new, seed 100" in page
