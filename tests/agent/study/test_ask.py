"""How far one ask and one tell go through the house: in files that run code."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import trialogue as tl
from trialogue.agent.study.study import Study

PACKAGE = str(Path(tl.__file__).parent)


def files_run(call: Callable[[], Any]) -> set[str]:
    """Return the files of the package in which a function runs during ``call``."""
    files = set[str]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE) and ".venv" not in name:
            files.add(name.removeprefix(PACKAGE))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return files


@pytest.mark.parametrize("strategy", [None, "surrogate"])
def test_an_ask_runs_code_of_few_files(tmp_path: Path, strategy: str | None) -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1), tl.Int("n", 1, 10)])
    study = Study(tl.Problem("bowl", space), storage=f"sqlite:///{tmp_path}/study.db", strategy=strategy)
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, trial.params["x"] + trial.params["y"])
    files = files_run(study.ask)
    assert len(files) <= 33, f"a hop that explains nothing? {sorted(files)}"
    trial = study.ask()
    assert len(files_run(lambda: study.tell(trial, 0.5))) <= 16
