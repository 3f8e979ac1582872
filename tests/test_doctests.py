"""Examples in docstrings are run: ``--doctest-modules`` cannot import a package whose root is the repository."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("serving", "evaluators", "prompts", "surrogates", "agent", "api")
WITH_EXAMPLES = sorted(
    path.relative_to(ROOT).with_suffix("")
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=str)
def test_examples_in_docstrings_hold(module: Path) -> None:
    loaded = import_module(f"trialogue.{'.'.join(module.parts)}")
    failed, attempted = doctest.testmod(loaded, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert attempted
    assert not failed
