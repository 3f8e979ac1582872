"""The documents are run: their Python from top to bottom, their study files, their commands.

What cannot be run is checked as far as that goes: a server's command by the real parser, Python by its imports. No block is
passed over, and ``test_what_is_run_and_what_is_not`` says how many there are of each kind (``pytest -rP``).
"""

import ast
import io
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from contracts.served import served
from documents import BLOCKS, PAGES, ROOT, Block, blocks, inline_commands

from trialogue.api.cli.app import app_for, main
from trialogue.api.study_files.study_file import read_specification

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LONG = {"README.md", "docs/service.md", "docs/protocols.md"}
"""Pages whose Python takes more than about three seconds."""
GIVEN = """
import trialogue as tl

def evaluate(params):
    return 1 - (params["x"] - 0.3) ** 2

problem = tl.Problem("parabola", tl.SearchSpace([tl.Float("x", 0.0, 1.0, default=0.9)]), [tl.Objective("y", "maximize")])
study = tl.Study(problem, strategy="random")
study.run(evaluate, n_trials=5)
"""
"""What a page stands on that speaks of ``problem``, ``evaluate`` and ``study`` as the reader's."""
WITH_GIVEN = {"docs/certainty.md", "docs/service.md"}
A_SERVER = "http://server:8765"
PROGRAM = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("--kernel", "--c", "--gamma"):
    parser.add_argument(name)
given = parser.parse_args()
print(json.dumps({"accuracy": 0.9 + (given.kernel == "rbf") / 100, "fit_s": 0.1}))
"""
REST = """
[study]
name = "svm-digits"
[problem]
objectives = [{ name = "accuracy", direction = "maximize" }]
[parameters.C]
type = "float"
low = 1e-3
high = 1e3
[evaluator]
function = "evaluate.py:evaluate"
"""
"""What the tables of a block are part of that is no whole study file."""
EXIT_CODES = {"gate": {0, 1, 3}}


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def pages_with(language: str) -> list[Any]:
    pages = dict.fromkeys(block.page for block in of(language))
    names = {page: str(page.relative_to(ROOT)) for page in pages}
    return [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in LONG else [])
        for page, name in names.items()
    ]


def test_what_is_run_and_what_is_not() -> None:
    counts = Counter[str]()
    for block in BLOCKS:
        assert block.language, f"{block}: say what it is (```sh, ```python, ```toml, ```json, ```text)"
        if block.language == "text":
            counts["text: a figure"] += 1
        elif block.language != "sh":
            counts[f"{block.language}: {block.why_not or 'run'}"] += 1
        for words in block.commands if block.language == "sh" else ():
            counts[f"{words[0]}: {block.why_not_run(words) or 'run'}"] += 1
    print("\n".join(f"{n:4} {what}" for what, n in sorted(counts.items())))
    run = sum(n for what, n in counts.items() if what.endswith(": run"))
    assert run >= 0.6 * counts.total()


def test_every_mark_stands_before_a_block() -> None:
    marks = sum(len(re.findall("^<!-- not run", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert marks == sum(bool(block.why_not) for block in BLOCKS)


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    names: dict[str, Any] = {"__name__": "page"}
    if str(page.relative_to(ROOT)) in WITH_GIVEN:
        exec(GIVEN, names)
    run = [block for block in blocks(page) if block.language == "python" and not block.why_not]
    if not any(A_SERVER in block.text for block in run):
        return _run_all(run, names)
    with served(f"sqlite:///{tmp_path}/served.db") as url:
        _run_all(run, names, url)


def _run_all(run: list[Block], names: dict[str, Any], url: str = A_SERVER) -> None:
    for block in run:
        exec(compile(block.text.replace(A_SERVER, url), str(block), "exec"), names)


@pytest.mark.parametrize("block", [b for b in of("python") if b.why_not], ids=str)
def test_python_that_is_not_run_imports_what_there_is(block: Block) -> None:
    tree = ast.parse(block.text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module([*imports], []), str(block), "exec"), {})


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_a_study_file_is_understood(block: Block, workshop: Path) -> None:
    stated = tomllib.loads(block.text)
    if block.why_not:
        return
    brought = {"problem", "parameters"} if "target" in stated.get("evaluator", {}) else set()
    tables = {k: v for k, v in tomllib.loads(REST).items() if k not in brought} | stated
    path = workshop / "read.toml"
    path.write_text("\n".join(_toml(tables)))
    assert read_specification(path).problem.objectives


def _toml(tables: dict[str, Any], at: str = "") -> list[str]:
    """Return nested tables as TOML; values as JSON, which TOML reads for what study files hold."""
    plain = {k: v for k, v in tables.items() if not isinstance(v, dict)}
    lines = [f"[{at}]"] * bool(at) + [f"{json.dumps(k)} = {_inline(v)}" for k, v in plain.items()]
    for key, value in tables.items():
        if isinstance(value, dict):
            lines += _toml(value, f"{at}.{json.dumps(key)}" if at else json.dumps(key))
    return lines


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def test_json_is_json() -> None:
    for block in of("json"):
        json.loads(block.text)


def in_words(words: list[str]) -> str:
    return " ".join(words)


PARSED = list(
    {
        in_words(words): words
        for words in [
            *(w for block in of("sh") for w in block.commands if w[0] == "trialogue"),
            *(w for page in PAGES for w in inline_commands(page)),
        ]
    }.values()
)


@pytest.mark.parametrize("words", PARSED, ids=in_words)
def test_the_parser_takes_every_command(words: list[str]) -> None:
    command: Any = typer.main.get_command(app_for(words[1:]))
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    assert not hasattr(command, "commands") or rest in ([], ["--help"])
    only_named = not rest and any(p.required for p in command.params)
    if rest != ["--help"] and not only_named:
        command.make_context(words[1], list(rest))


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the documents name, in which a program may be told what to do."""
    readme = next(block.text for block in of("toml") if block.page.name == "README.md")
    for name in ("STUDY.toml", "study.toml"):
        (tmp_path / name).write_text(readme)
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "evaluate.py").write_text("def evaluate(params):\n    return params['C']\n")
    runs = {
        "num_prompts": 3,
        "completed": 3,
        "output_throughput": 5.0,
        "mean_ttft_ms": 9.0,
        "p99_ttft_ms": 12.0,
    }
    for name in ("A", "B", "main", "branch", "a1", "a2", "a3", "b1", "b2", "b3"):
        (tmp_path / f"{name}.json").write_text(
            json.dumps({"backend": "vllm", "date": "", "duration": 1.0} | runs)
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


SHELL = [
    page
    for page in PAGES
    if any(b.language == "sh" and any(not b.why_not_run(w) for w in b.commands) for b in blocks(page))
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", SHELL, ids=[str(page.relative_to(ROOT)) for page in SHELL])
def test_the_commands_of_a_page_run_in_their_order(
    page: Path, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [w for b in blocks(page) if b.language == "sh" for w in b.commands if not b.why_not_run(w)]
    if ["trialogue", "run", "STUDY.toml"] not in listed:  # the reader has a study
        listed.insert(0, ["trialogue", "run", "STUDY.toml", "--trials", "4"])
    for words in listed:
        with pytest.raises(SystemExit) as end:
            main(words[1:])
        said = capsys.readouterr()
        assert int(end.value.code or 0) in EXIT_CODES.get(words[1], {0}), (words, said.err)


def test_what_is_no_command_of_ours_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    there: dict[str, Callable[[str], bool]] = {
        "make": lambda target: target in targets,
        "bash": lambda script: (ROOT / script).is_file(),
        "python": lambda script: (ROOT / script).is_file(),
        "pip": lambda verb: verb == "install",
    }
    for block in of("sh"):
        for words in block.commands:
            assert words[0] == "trialogue" or there[words[0]](words[1]), f"{block}: {in_words(words)}"
    for page in PAGES:
        named = re.findall(r"trialogue\[(\w+)\]", page.read_text())
        assert set(named) <= set(extras), page.name


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_readme_begins_with_what_it_is_and_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    first = text.split("```")[1]
    assert "make demo" in first
    assert "make test" in first
    assert text.index("make demo") < 1200


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "study.png").stat().st_size < 300_000
