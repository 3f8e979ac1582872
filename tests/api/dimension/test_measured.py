"""d90: which dimensions are tried, which is the smallest that suffices, and the command."""

import json

import pytest

from trialogue.api.cli.app import main
from trialogue.api.dimension.measured import dimensions, smallest

STUDY = """
[problem]
name = "one-matters"
[evaluator]
function = "target.py:measure"
"""
PARAMETERS = "".join(
    f'[parameters.x{i}]\ntype = "float"\nlow = 0\nhigh = 1\ndefault = 0.5\n' for i in range(3)
)


def test_powers_of_two_and_the_whole_are_tried() -> None:
    assert dimensions(9) == [1, 2, 4, 8, 9]
    assert dimensions(8) == [1, 2, 4, 8]


def test_d90_gains_nine_tenths_of_the_whole() -> None:
    assert smallest({1: 0.2, 2: 0.89, 4: 0.95, 8: 1.0}) == 4
    assert smallest({1: 0.0, 2: 0.0}) is None


def test_the_command_says_d90(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "target.py").write_text("def measure(p):\n    return (p['x0'] - p['x1'] - p['x2']) ** 2\n")
    (tmp_path / "study.toml").write_text(STUDY + PARAMETERS)
    with pytest.raises(SystemExit) as ended:
        main(["dimension", "study.toml", "--trials", "6", "--seeds", "1", "--json"])
    assert not ended.value.code
    said = json.loads(capsys.readouterr().out)
    assert said["parameters"] == 3
    assert said["d90"] in (1, 2, 3)
    assert set(said["gains"]) == {"1", "2", "3"}
