"""The page of cards: what was recorded stands on it, and what a user's own target says stays text."""

import re

import trialogue as tl
from trialogue.api.reports.gallery import card_of, render
from trialogue.evaluators.targets.catalogue import load_target
from trialogue.evaluators.targets.target import GalleryTarget, SourceClaim

HOSTILE = "<script>alert(1)</script>"


def own() -> GalleryTarget:
    space = tl.SearchSpace([tl.Float("x", 0, 1, default=0.5, description=HOSTILE)])
    problem = tl.Problem("deis", space, [tl.Objective(HOSTILE)], description=HOSTILE)
    claim = SourceClaim(HOSTILE, lambda: (_ for _ in ()).throw(AssertionError))
    return GalleryTarget(problem, lambda params: params["x"], source=HOSTILE, claim=claim)


def test_a_card_has_its_picture_its_claim_and_how_long_it_takes() -> None:
    page = render([card_of(load_target("deis"), listed=True)])
    assert page.count("<svg") == 1
    assert "At 10 calls" in page
    assert "Holds here" in page
    assert "about 0.3 s each" in page
    assert "trialogue run target:deis" in page


def test_two_objectives_have_two_pictures() -> None:
    assert render([card_of(load_target("interest-hashing"), listed=True)]).count("<svg") == 2


def test_a_users_target_of_the_same_name_gets_nothing_of_ours_and_its_words_stay_words() -> None:
    page = render([card_of(own(), listed=False)])
    assert "<script" not in page
    assert "<svg" not in page
    assert "Holds here" not in page
    assert "No landscape was recorded" in page


def test_the_page_loads_nothing() -> None:
    page = render([card_of(load_target("soc"), listed=True)])
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
