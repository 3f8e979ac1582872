"""list, export, import, delete and report on a real database, in this process."""

import csv
import io
import json
from pathlib import Path

import pytest
from contracts.command_line import Cli, in_process

import trialogue as tl

URL = "sqlite:///trialogue.db"


def problem() -> tl.Problem:
    space = tl.SearchSpace(
        [
            tl.Categorical("kernel", ["linear", "rbf"]),
            tl.Float("C", 1e-3, 1e3, log=True),
            tl.Float("gamma", 1e-5, 10, log=True, when={"kernel": ["rbf"]}),
        ]
    )
    return tl.Problem("svm", space, [tl.Objective("accuracy", "maximize")], constraints=["fit_s <= 2"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    study = tl.Study(problem(), storage=URL)
    study.add({"kernel": "rbf", "C": 1.0, "gamma": 0.1}, tl.Measurement(0.9, constraints={"fit_s": 1.0}))
    study.add({"kernel": "linear", "C": 2.5}, tl.Measurement(0.8, constraints={"fit_s": 3.0}))
    trial = study.ask()
    study.tell(trial, failed="CUDA out of memory, in a comma")
    return in_process(capsys)


def test_list_shows_each_study_with_its_best(here: Cli) -> None:
    assert "0.9 accuracy" in here("list").stdout
    listed = json.loads(here("list", "--json").stdout)
    assert [(s["name"], s["trials"], s["failed"]) for s in listed] == [("svm", 3, 1)]


def test_notes_are_listed_exported_and_imported(here: Cli, tmp_path: Path) -> None:
    study = tl.Study.load("svm", storage=URL)
    study.note("on the old data,\nsee the wiki " + "x" * 100)
    study.note('fan was off;\n"really"', trial_number=1)
    head, line = here("list").stdout.splitlines()
    assert line[head.index("note") :] == "on the old data, see the wiki …"
    assert json.loads(here("list", "--json").stdout)[0]["note"].startswith("on the old data,\nsee")
    (tmp_path / "out.csv").write_text(here("export", "svm").stdout)
    other = tl.Study(problem(), name="other", storage=URL)
    assert here("import", "other", "out.csv").returncode == 0
    assert [t.note for t in other.trials] == ["", 'fan was off;\n"really"']


def test_export_has_a_column_per_parameter_objective_and_constraint(here: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(here("export", "svm").stdout)))
    assert list(rows[0])[:6] == ["number", "state", "kernel", "C", "gamma", "accuracy"]
    assert rows[0]["fit_s"] == "1.0"
    assert rows[1]["gamma"] == ""
    assert rows[2]["failure"] == "CUDA out of memory, in a comma"


def test_export_as_json_lines_says_everything(here: Cli, tmp_path: Path) -> None:
    assert here("export", "svm", "--format", "jsonl", "-o", "all.jsonl").returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert rows[2]["ending"] == {"kind": "crash", "reason": "CUDA out of memory, in a comma"}


def test_what_was_exported_can_be_imported(here: Cli, tmp_path: Path) -> None:
    here("export", "svm", "-o", "trials.csv")
    tl.Study(problem(), name="again", storage=URL)
    done = here("import", "again", "trials.csv", "--json")
    assert json.loads(done.stdout) == [0, 1]
    assert "line 4, left out" in done.stderr  # the failed one has no value
    again = tl.Study.load("again", storage=URL)
    assert [t.value for t in again.trials] == [0.9, 0.8]
    assert again.best_trial.number == 0


def test_a_file_without_the_objective_is_refused(here: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("kernel,C\nlinear,1\n")
    done = here("import", "svm", "x.csv")
    assert done.returncode == 2
    assert "accuracy" in done.stderr


def test_delete_deletes_only_when_told(here: Cli) -> None:
    assert here("delete", "svm", "--yes").returncode == 0
    assert here("list", "--json").stdout.strip() == "[]"


def test_report_writes_a_page(here: Cli, tmp_path: Path) -> None:
    assert here("report", "svm").stdout.strip() == "svm.html"
    page = (tmp_path / "svm.html").read_text()
    assert "CUDA out of memory" in page
    data = json.loads(here("report", "svm", "--json").stdout)
    assert data["best"]["values"] == [0.9]
    assert len(data["trials"]) == 3
    assert "history0" in data["figures"]
