"""The page on search spaces and evaluators is run."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "search_spaces.md"


def test_the_python_of_the_page_runs() -> None:
    names: dict[str, object] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert "replay" in names
