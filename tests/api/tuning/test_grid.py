"""The table and the figure of a grid, the texts of its options, and a grid on a real llama.cpp server."""

import json
import re
from pathlib import Path

import pytest

from tests.evaluators.engines.scripted_sglang import installed
from trialogue.api.cli.app import main
from trialogue.api.tuning.grid import page, table
from trialogue.evaluators.engines.grid import Cell
from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.sglang.environment import VARIABLE

GRID = [
    Cell(8, 4, 1, {"output_tok_s": 50.0, "ttft_p99_ms": 3.0, "tpot_p99_ms": 20.0}),
    Cell(8, 4, 2, {"output_tok_s": 40.0, "ttft_p99_ms": 5.0, "tpot_p99_ms": 30.0}),
    Cell(64, 4, 1, {"output_tok_s": 30.0}),
    Cell(64, 4, 2, failed="the <engine> died"),
]


def test_the_table_marks_what_nothing_beats_in_its_shape() -> None:
    lines = table(GRID)
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["8→4", "1"],
        ["8→4", "2"],
        ["64→4", "1"],
        ["64→4", "2"],
    ]
    assert [line.endswith("*") for line in lines[1:5]] == [True, False, True, False]
    assert "died" in lines[4]


def test_the_page_has_a_circle_for_every_measured_cell_and_a_line_for_every_shape() -> None:
    made = page("serve <model>", GRID)
    assert (made.count("<circle"), made.count("<polyline")) == (3, 2)
    assert "the &lt;engine&gt; died" in made
    assert "serve &lt;model&gt;" in made


def test_a_server_that_does_not_start_ends_the_grid_at_its_first_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(installed(tmp_path / "sglang")))
    words = [
        "load-grid",
        str(tiny_model()),
        "--engine",
        "sglang",
        "--input",
        "8",
        "--output",
        "4",
        "--concurrency",
        "1,2",
    ]
    for policy, code in (("shortest", 2), ("lpm", 0)):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--fix", f"schedule_policy={policy}", "--folder", str(tmp_path / policy)])
        assert (ended.value.code or 0) == code
        said = capsys.readouterr()
        assert ("2/2:" in said.out) == (code == 0)
        assert ("The server could not be measured: the server refuses an argument" in said.err) == (code == 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--engine", "tgi"], "--engine"), (["--input", "8,x"], "--input"), (["--concurrency", "0"], "--concurrency"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["load-grid", "model", *words])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.llama
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_grid_is_measured_on_a_real_server_and_goes_on_from_there(
    llama_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    words = [
        "load-grid",
        str(llama_model),
        "--engine",
        "llama",
        "--input",
        "16",
        "--output",
        "4",
        "--fix",
        "threads=1",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--concurrency", "1,2", "--folder", str(folder)])
    assert ended.value.code in (0, None), capsys.readouterr().err
    told = capsys.readouterr().out
    assert len(re.findall(r"^ +16→4 +[12] ", told, re.MULTILINE)) == 2
    kept = json.loads((folder / "grid.json").read_text())
    assert [c["concurrency"] for c in kept["cells"]] == [1, 2]
    with pytest.raises(SystemExit):
        main([*words, "--concurrency", "1,2,3", "--folder", str(folder)])
    again = json.loads((folder / "grid.json").read_text())["cells"]
    assert again[:2] == kept["cells"]
    assert len(again) == 3
    with pytest.raises(SystemExit) as other:
        main([*words[:-1], "threads=2", "--concurrency", "1", "--folder", str(folder)])
    assert other.value.code == 2
    assert "another server" in capsys.readouterr().err
