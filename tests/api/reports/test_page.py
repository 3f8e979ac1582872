"""The report is one file that loads nothing, and nothing in it that came from outside is markup."""

import json
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trialogue as tl
from trialogue.api.reports import page as report_page
from trialogue.api.reports.importance import importances
from trialogue.api.reports.view import StudyView, TrialRow


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


def test_the_table_is_made_from_every_trial_and_every_parameter(page: str, view: StudyView) -> None:
    text = re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)
    assert text
    study = json.loads(text[1])
    assert [t["number"] for t in study["trials"]] == [row.number for row in view.rows]
    assert [t["params"] for t in study["trials"]] == [row.params for row in view.rows]
    assert [p["name"] for p in study["parameters"]] == list(view.problem.space.names)
    assert {t["became"] for t in study["trials"]} >= {"improved", "failed", "infeasible"}


def test_the_report_has_its_scripts_in_itself(page: str) -> None:
    own = without_plotly(page)
    assert "function dataTable" in own
    assert not re.search(r"^import ", own, re.MULTILINE)


def wide_view(n: int) -> StudyView:
    """A study of 40 parameters, one of them conditional, and n trials."""
    weights = [tl.Float(f"weight_of_group_{i:02d}", 0, 1) for i in range(38)]
    kernel = tl.Categorical("kernel", ["linear", "rbf", None])
    space = tl.SearchSpace(
        [kernel, tl.Float("gamma", 1e-5, 10, log=True, when={"kernel": ["rbf"]}), *weights]
    )
    problem = tl.Problem("wide", space, [tl.Objective("loss")])
    points = enumerate(space.sample(np.random.default_rng(0), n))
    rows = [
        TrialRow(i, "finished", p, (p["weight_of_group_00"],), source="random", reason="r" * 200)
        for i, p in points
    ]
    return StudyView("wide", problem, tuple(rows))


def test_a_report_of_2_000_trials_and_40_parameters_can_be_sent() -> None:
    own = without_plotly(report_page.render(wide_view(2_000)))
    assert len(own) < 8_000_000
    assert "293 of 2000 results are drawn" in own


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
def test_2_000_trials_are_sorted_filtered_and_compared_on_a_phone(chromium: str, tmp_path: Path) -> None:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the Python package playwright is not installed"
    )
    path = tmp_path / "wide.html"
    path.write_text(report_page.render(wide_view(2_000)))
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        page.set_default_timeout(60_000)
        page.goto(path.as_uri())
        page.wait_for_selector("#trials tbody tr")
        assert page.locator("#trials tbody tr").count() < 500  # the rest are made when one scrolls there
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.get_by_role("button", name="loss", exact=True).click()
        page.get_by_role("button", name="loss", exact=True).click()
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("loss")
        best, worst = wide_view(2_000).best(), max(wide_view(2_000).rows, key=lambda row: row.values)
        assert best is not None
        first = page.locator("#trials tbody tr").first
        assert first.get_attribute("data-key") == str(worst.number)
        page.get_by_label("Show only trials with these words").fill("kernel=rbf")
        rbf = sum(row.params["kernel"] == "rbf" for row in wide_view(2_000).rows)
        page.wait_for_selector(f".count:text-is('{rbf} of 2\u202f000 trials')")
        page.get_by_label("Show only trials with these words").fill("")
        page.get_by_label(f"Compare trial {worst.number}", exact=True).check()
        page.get_by_role("button", name="loss", exact=True).click()
        page.get_by_label(f"Compare trial {best.number}", exact=True).check()
        head = page.locator(".comparison thead").first.inner_text().split()
        assert head == ["trial", str(worst.number), str(best.number), "difference"]
        browser.close()


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
