"""``trialogue soup``: from the checkpoints of a study file's trials to one file of weights."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from trialogue.api.cli.app import main

STUDY = """
[study]
name = "s"
strategy = "random"
budget = { trials = 5 }
[parameters.x]
type = "float"
low = -1.0
high = 1.0
[evaluator]
function = "tuned.py:train"
"""
TUNED = """
import numpy as np
from safetensors.numpy import save_file

def train(params, run):
    weights = {"w": np.array([params["x"]])}
    save_file(weights, run.workdir / "model.safetensors")
    return loss(weights)

def loss(weights):
    return float(weights["w"][0] ** 2)
"""


@pytest.mark.slow
def test_weights_that_err_on_both_sides_are_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(STUDY)
    Path("tuned.py").write_text(TUNED)
    for arguments in (
        ["run", "s.toml", "--workdir", "runs"],
        ["soup", "s.toml", "--workdir", "runs", "--score", "tuned.py:loss"],
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert not end.value.code, capsys.readouterr().err
    assert "of 5 tried) scores" in capsys.readouterr().out
    singles = [abs(load_file(p)["w"][0]) for p in Path("runs").rglob("*.safetensors")]
    assert np.abs(load_file("soup.safetensors")["w"][0]) <= min(singles)
