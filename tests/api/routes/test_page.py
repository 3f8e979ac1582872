"""The web page in a real headless Chromium: create → run → chat → approve → report, by mouse and by keyboard.

Screenshots stand in ``TRIALOGUE_TEST_SCREENSHOTS`` when it is set. The browser loads nothing but this server's files.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from contracts.chat_peer import chat_peer
from contracts.served import served

import trialogue as tl
from trialogue.agent.study.study import Study
from trialogue.api.client.study import RemoteStudy

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the Python package playwright is not installed"
)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

ATTACK = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on(
        "console",
        lambda m: page.trouble.append(m.text) if m.type == "error" and "status of 4" not in m.text else None,
    )
    page.on(
        "request",
        lambda r: page.trouble.append(r.url) if "127.0.0.1" not in r.url and "http" in r.url[:4] else None,
    )
    yield page
    assert not page.trouble, page.trouble
    context.close()


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("TRIALOGUE_TEST_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def evaluate(params: dict[str, Any]) -> float:
    if params["depth"] > 11:
        raise MemoryError(f"out of memory {ATTACK}")
    return 1 - (params["x"] - 0.3) ** 2 - 0.01 * abs(params["depth"] - 6)


def test_create_run_chat_approve_report(page: Any, tmp_path: Path) -> None:
    script = [
        ("show", {}),
        f"The best is trial 3. {ATTACK} **bold**",
        ("exclude", {"trial": 1, "reason": "odd"}),
        "It is left out.",
    ]
    with chat_peer(*script) as peer, served(f"sqlite:///{tmp_path}/page.db", chat_model=peer.url) as url:
        page.goto(f"{url}/")
        page.get_by_text("Create the first study").click()
        create(page)
        page.wait_for_selector("h1:has-text('trees')")
        order_more(page, "14")
        RemoteStudy.load("trees", url=url).run(evaluate)
        page.wait_for_selector(".ribbon button.best")  # it came by itself: live
        page.wait_for_selector("[data-figure='slices'] [data-drawn='yes']")
        page.wait_for_selector("[data-figure='parallel'] [data-drawn='yes']")
        shot(page, "study")
        decisions_and_trial(page)
        chat(page)
        assert RemoteStudy.load("trees", url=url).trials[1].excluded == "odd"
        shot(page, "chat")
        with page.expect_download() as download:
            page.click("#report")
        assert "plotly" in Path(download.value.path()).read_text("utf-8").lower()
        page.click("#theme")
        page.wait_for_timeout(400)
        shot(page, "study-dark")
        page.goto(f"{url}/#/")
        page.wait_for_selector(".study-card")
        shot(page, "studies-dark")
        assert page.title() == "Studies · trialogue"


def test_words_become_a_study_of_two_objectives(page: Any, tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path}/words.db") as url:
        page.goto(f"{url}/#/new")
        page.get_by_label("Start from words").fill(f"make it faster {ATTACK}")
        page.get_by_role("button", name="Draft").click()
        page.wait_for_selector("[role=alert]:has-text('LOW to HIGH')")
        page.get_by_label("Start from words").fill("minimize loss with lr from 1e-5 to 0.1, layers 1 to 8")
        page.get_by_role("button", name="Draft").click()
        page.wait_for_selector("[role=status] code:has-text('lr: log scale guessed')")
        toml = page.get_by_label("TOML specification")
        assert "[parameters.layers]" in toml.input_value()
        second = '{ name = "ms", direction = "minimize" }'
        text = (
            toml.input_value()
            .replace('"minimize" }]', f'"minimize" }}, {second}]')
            .replace("draft", "worded")
        )
        toml.fill(text)
        shot(page, "draft")
        page.get_by_role("button", name="Create study").click()
        page.wait_for_selector("h1:has-text('worded')")
        study = RemoteStudy.load("worded", url=url)
        study.run(lambda params: [abs(params["lr"] - 0.01), 1.0 * params["layers"]], n_trials=9)
        page.wait_for_selector("[data-figure='pareto'] [data-drawn='yes']")
        best = "document.querySelectorAll('.ribbon button.best').length"  # the last trials may still be on their way
        page.wait_for_function(f"n => {best} === n", arg=len(study.pareto_front))
        page.locator(".ribbon button.best").first.click()
        page.wait_for_selector(".tag:has-text('on the Pareto front')")
        shot(page, "front")


def create(page: Any) -> None:
    page.get_by_label("Name").first.fill("trees")
    page.get_by_label("Description").fill(f"Gradient boosting {ATTACK}")
    rows = page.get_by_role("group", name="Parameter", exact=True)
    rows.nth(0).get_by_label("Name").fill("x")
    rows.nth(0).get_by_label("Low").fill("0")
    rows.nth(0).get_by_label("High").fill("1")
    page.get_by_role("button", name="+ Parameter").click()
    rows.nth(1).get_by_label("Name").fill("depth")
    rows.nth(1).get_by_label("Type").select_option("int")
    rows.nth(1).get_by_label("Low").fill("12")
    rows.nth(1).get_by_label("High").fill("2")
    page.get_by_label("Trials").fill("1")
    page.get_by_role("button", name="Create study").click()
    page.wait_for_selector("[role=alert]:has-text('depth')")  # the server's own words on the mistake
    rows.nth(1).get_by_label("Low").fill("2")
    rows.nth(1).get_by_label("High").fill("12")
    shot(page, "create")
    page.get_by_role("button", name="Create study").click()


def order_more(page: Any, n: str) -> None:
    page.once("dialog", lambda dialog: dialog.accept(n))
    page.get_by_role("button", name="Run more…").click()
    page.wait_for_selector(".toast:has-text('Workers may now run')")


def decisions_and_trial(page: Any) -> None:
    page.get_by_role("tab", name="Decisions").click()
    page.wait_for_selector(".decision >> nth=13")  # the last ones may still be on their way: the page is live
    assert page.locator(".decision").count() == 14
    shot(page, "decisions")
    page.locator(".decision .no").last.click()
    page.wait_for_selector("h1:has-text('Trial 0')")
    page.get_by_role("link", name="Next →").click()
    page.wait_for_selector("h1:has-text('Trial 1')")
    shot(page, "trial")
    page.locator("#crumbs").get_by_role("link", name="trees").click()
    page.wait_for_selector(".ribbon button.best")


def chat(page: Any) -> None:
    say = page.get_by_label("Message")
    say.fill("/sho")
    page.wait_for_selector("#suggest li")
    say.press("Tab")
    assert say.input_value() == "/show "
    say.press("Enter")
    page.wait_for_selector(".bubble.assistant:has-text('maximize score')")
    say.fill("What is the best?")
    say.press("Enter")
    page.wait_for_selector(".bubble.assistant strong:text-is('bold')")
    assert page.locator(".bubble img").count() == 0
    say.fill("Leave trial 1 out")
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector(".approval")
    shot(page, "approval")
    page.locator(".approval").get_by_role("button", name="Approve").click()
    page.wait_for_selector(".bubble.assistant:has-text('It is left out.')")
    page.wait_for_selector(".ribbon button.excluded")


def test_it_works_under_a_prefix_with_keys_by_keyboard_and_names_everything(
    page: Any, tmp_path: Path
) -> None:
    from trialogue.agent.ledger.ledger import Ledger
    from trialogue.api.service.keys import KeyStore

    ledger = Ledger(f"sqlite:///{tmp_path}/prefix.db")
    secret = KeyStore(ledger.database).add("tester", "write")
    space = {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}
    with served("", ledger=ledger, root_path="/lab/tune", keys=True) as url:
        body = {"name": "keyed", "problem": {"name": "keyed", "space": space}}
        key = {"Authorization": f"Bearer {secret}"}
        assert httpx2.post(f"{url}/lab/tune/v1/studies", json=body, headers=key).status_code == 201
        page.goto(f"{url}/lab/tune/")
        page.get_by_label("API key").fill(secret)
        page.keyboard.press("Enter")
        page.wait_for_selector(".study-card:has-text('keyed')")
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className").startswith("card study-card"):
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('keyed')")
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input, textarea, select, a')].filter(e => e.offsetParent && "
            "!(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map(e => e.outerHTML)"
        )
        assert nameless == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert (
            page.evaluate("document.documentElement.scrollWidth") <= 400
        )  # a phone needs no sideways scrolling
        shot(page, "phone")


def test_the_best_is_verified_by_a_button_and_the_workers(page: Any, tmp_path: Path) -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1, default=0.2)])
    problem = tl.Problem("sure", space, [tl.Objective("y", "maximize")])
    calls: list[float] = []

    def noisy(params: dict[str, Any]) -> float:
        calls.append(params["x"])
        return 1 + params["x"] + 0.01 * (3 * len(calls) % 7)

    with served(f"sqlite:///{tmp_path}/sure.db") as url:
        study = RemoteStudy(problem, url=url, strategy="random")
        study.run(noisy, n_trials=6)
        page.goto(f"{url}/#/studies/sure")
        page.wait_for_selector("#certainty:has-text('Nothing was run twice')")
        page.click("#verify")
        page.wait_for_selector("#certainty .tag:has-text('undecided')")
        command = page.locator("#certainty code").inner_text()
        assert f"trialogue worker --url {url} --study sure-verify-" in command
        study.verify(noisy)
        page.reload()
        page.wait_for_selector("#certainty .tag:has-text('change recommended')")
        shot(page, "certainty")
        page.click("#certainty a")
        page.wait_for_selector("#certainty h2:has-text('Verification of sure')")


def test_studies_side_by_side_and_notes_that_last(page: Any, tmp_path: Path) -> None:
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Categorical("kernel", ["linear", "rbf"])])
    with served(f"sqlite:///{tmp_path}/side.db") as url:
        for name in ("first", "second"):
            problem = tl.Problem(name, space, [tl.Objective("loss")])
            study = RemoteStudy(problem, url=url, strategy="random")
            study.add_many(
                [(p, tl.Measurement(p["x"], cost=2.0)) for p in space.sample(np.random.default_rng(0), 5)]
            )
        page.goto(f"{url}/#/studies/first/trials")
        page.get_by_role("button", name="Add a note").click()
        page.get_by_label("Note", exact=True).fill(f"old data {ATTACK}")
        page.get_by_role("button", name="Save the note").click()
        page.wait_for_selector(".note p:has-text('old data <img')")
        page.get_by_label("Show only trials with these words").fill("kernel=rbf")
        kernels = page.locator("table.data tbody tr")
        assert kernels.count() == sum(t.params["kernel"] == "rbf" for t in study.trials) > 0
        page.get_by_role("link", name="2", exact=True).or_(
            page.get_by_role("link", name="0", exact=True)
        ).first.click()
        page.wait_for_selector("h1:has-text('Trial')")
        page.get_by_role("button", name="Add a note").click()
        page.get_by_label("Note", exact=True).fill("the fan was off")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".note p:has-text('the fan was off')")
        assert "the fan was off" in {t.note for t in RemoteStudy.load("first", url=url).trials}
        page.goto(f"{url}/#/across")
        page.wait_for_selector("[data-drawn='yes'] .legendtext:has-text('second')")
        assert page.locator("tr.picked").count() == 2
        page.get_by_role("button", name="cost", exact=True).first.click()
        page.wait_for_selector(".xtitle:has-text('cost')")
        page.get_by_label("Draw the study first").uncheck()
        page.get_by_label("Show only studies with these words").fill("old data")
        page.wait_for_selector(".count:text-is('1 of 2 studies')")
        shot(page, "across")
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_what_cannot_be_read_says_why_on_every_page_and_on_a_phone(page: Any, tmp_path: Path) -> None:
    from trialogue.agent.ledger import schema
    from trialogue.agent.ledger.ledger import Ledger

    ledger = Ledger(f"sqlite:///{tmp_path}/spoiled.db")
    problem = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))
    for name in ("old", "sound"):
        study = Study(problem, name=name, storage=ledger, strategy="random")
        study.tell(study.ask(), 0.5)
        study.tell(study.ask(), 0.25)
    with ledger.database.write() as connection:
        table = schema.studies
        connection.execute(table.update().where(table.c.name == "old").values(problem="{}"))
        table = schema.trials
        connection.execute(table.update().where(table.c.number == 0).values(params=json.dumps({"x" * 90: 1})))
    with served("", ledger=ledger) as url:
        page.goto(f"{url}/")
        page.wait_for_selector(".study-card:has-text('old') .tag.bad:text-is('unreadable')")
        page.wait_for_selector("a.study-card:has-text('sound') .best:text-is('0.25')")
        page.goto(f"{url}/#/across")
        page.wait_for_selector("tr:has-text('old') .tag.bad")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{url}/#/studies/sound/trials/0")
        page.wait_for_selector(".tag.warn:has-text('cannot be read')")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto(f"{url}/#/studies/old")
        page.wait_for_selector("h1:text-is('Study unreadable')")
