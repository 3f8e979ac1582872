import re
from pathlib import Path

import pytest


def test_the_page_about_the_ledger_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/ledger.md", "exec"), names)
    out = capsys.readouterr().out
    assert (
        "{'C': 9.0, 'depth': 8} ['created', 'asked', 'asked', 'told', 'failed', 'added', 'added', 'excluded']"
        in out
    )
    assert out.endswith("random\n5 added, 0 did not fit\n")
    assert "3 trials came along; 0 did not fit" in out
