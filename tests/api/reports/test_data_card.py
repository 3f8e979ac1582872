"""Data cards of stored studies, from the command line."""

from pathlib import Path

import pytest

import trialogue as tl
from trialogue.api.cli.app import main


def test_cards_of_two_studies_stand_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("n", 1, 9)]))
    for name in ("one", "two"):
        study = tl.Study(problem, name=name, storage=url, strategy="random")
        study.run(lambda params: params["x"] + params["n"], 6)
    with pytest.raises(SystemExit) as end:
        main(["export", "one,two", "--card", "--reference", "two", "--storage", url])
    assert not end.value.code
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("| study | parameters | trials")
    assert told[2].startswith("| one | 2 | 6 | 6 | 0 | ")
    assert told[2].endswith("| – | – |")  # too few to learn from
    assert told[4].startswith("| all 2 |  | 12 | 12 | 0 | ")
