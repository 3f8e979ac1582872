"""Functions are found by module or file, and what goes wrong is told before the study starts."""

import pickle
import random
from pathlib import Path

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.programs.function import load_function


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))  # so that what loading adds is taken away again
    (tmp_path / "loaded_a.py").write_text(
        "def f(params):\n    return params['x']\nclass Inner:\n    g = f\nnumber = 3\n"
    )
    (tmp_path / "loaded_b.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "loaded_c.py").write_text("1 / 0\n")
    (tmp_path / "loaded_d.py").write_text("def f(:\n")
    (tmp_path / "loaded_e.py").write_text(
        "class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "train.py").write_text("def evaluate(params, run):\n    return 7\n")
    return tmp_path


def test_functions_are_found_by_module_and_by_file(folder: Path) -> None:
    assert load_function("loaded_a:f", folder)({"x": 3}) == 3
    assert load_function("loaded_a:Inner.g", folder)({"x": 3}) == 3
    assert load_function("sub/train.py:evaluate", folder)({}, None) == 7
    assert load_function("math:hypot")(3, 4) == 5


def test_a_file_hides_no_module_of_its_name(folder: Path) -> None:
    (folder / "random.py").write_text("from loaded_a import f\ndef g(params):\n    return f(params) + 1\n")
    (folder / "sub" / "fresh_file.py").write_text("def f(params):\n    return 1\n")
    (folder / "fresh_file.py").write_text("def f(params):\n    return 2\n")
    assert load_function("random.py:g", folder)({"x": 1}) == 2
    assert random.random() < 1
    first, second = load_function("sub/fresh_file.py:f", folder), load_function("fresh_file.py:f", folder)
    assert (first({}), second({})) == (1, 2)
    assert pickle.loads(pickle.dumps(first))({}) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("loaded_a", "must be 'module:name'"),
        ("loaded_a:", "must be 'module:name'"),
        (":f", "must be 'module:name'"),
        ("loaded_a:g", "has no 'g'; it defines f, Inner"),
        ("loaded_a:number", "must be callable, got 3"),
        ("loaded_b:f", "cannot be imported: No module named 'no_such_module_anywhere'"),
        ("loaded_c:f", "raised ZeroDivisionError"),
        ("loaded_d:f", "raised SyntaxError"),
        ("loaded_e:f", "raised E: its message cannot be written: ZeroDivisionError"),
        ("no_such_module:f", "cannot be imported"),
        ("none.py:f", "there is no file"),
    ],
)
def test_what_cannot_be_loaded_is_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(InvalidSpecification, match=message):
        load_function(name, folder)
