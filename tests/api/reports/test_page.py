"""The report is one file that loads nothing, and nothing in it that came from outside is markup."""

import json
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from trialogue.api.reports import page as report_page
from trialogue.api.reports.importance import importances
from trialogue.api.reports.view import StudyView


@pytest.fixture
def page(view: StudyView) -> str:
    return report_page.render(view, importances(view), made="today")


def without_plotly(page: str) -> str:
    return re.sub(r"<script>/\*\*.*?</script>", "", page, flags=re.DOTALL)


def test_it_loads_nothing(page: str) -> None:
    own = without_plotly(page)
    assert len(own) < 300_000
    assert "default-src 'none'" in own
    assert not re.search(r"<(script|img|iframe|link)[^>]*(src|href)=", own)


def test_nothing_from_outside_becomes_markup(page: str) -> None:
    own = without_plotly(page)
    assert "<img src=x" not in own
    assert "<script>alert" not in own
    assert "&lt;script&gt;alert(1)" in own


def test_its_figures_are_json(page: str) -> None:
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert text
    assert {"history0", "sources", "slices", "parallel", "importances"} <= set(json.loads(text[1]))


def test_every_trial_has_a_row(page: str, view: StudyView) -> None:
    table = page[page.index('<table id="trials">') :]
    assert table[: table.index("</table>")].count("<tr class=") == len(view.rows)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_study_that_has_hardly_begun_has_a_page(rows: int, view: StudyView) -> None:
    assert "no feasible result yet" in report_page.render(replace(view, rows=view.rows[5 : 5 + rows]))


def test_two_objectives_show_their_front(view_of_two_objectives: StudyView) -> None:
    assert "Trade-off" in report_page.render(view_of_two_objectives)


def test_importances_sum_to_one(view: StudyView) -> None:
    shares = importances(view)
    assert shares
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(replace(view, rows=view.rows[:4])) is None


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_draws_every_figure_and_complains_of_nothing(
    page: str, chromium: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(page)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--dump-dom",
        ]
        flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        flags += ["--enable-logging=stderr", "--virtual-time-budget=10000", f"--user-data-dir={profile}"]
        done = subprocess.run([chromium, *flags, path.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.stdout.count('class="main-svg"') >= 2 * 6
    assert "CONSOLE" not in done.stderr or "Error" not in done.stderr, done.stderr
