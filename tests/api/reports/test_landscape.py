"""Pictures of landscapes: what is darkest is best, and everything that is drawn is where its values are."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import trialogue as tl
from trialogue.api.reports.landscape import BEST, WORST, Shades, picture, scale_of
from trialogue.evaluators.targets.recorded import Landscape
from trialogue.evaluators.targets.target import GalleryTarget

SPACE = tl.SearchSpace(
    [
        tl.Float("rate", 0.01, 1.0, log=True, default=0.1, unit="1/s", description="speed"),
        tl.Categorical("kind", ["<a>", "b"], default="b", description="which"),
    ]
)
DRAWN = Landscape(
    "rate", "kind", [0.01, 0.1, 1.0], ["<a>", "b"], [[1, 2, 3, 4, 5, None]], [True] * 5 + [False], 0.1, 0
)


def target(direction: str = "maximize", region: dict[str, tuple[object, ...]] | None = None) -> GalleryTarget:
    problem = tl.Problem("t", SPACE, [tl.Objective("score", direction, "%")], description="d")
    return GalleryTarget(problem, lambda params: 0.0, region=region or {})


def texts(svg: str, kind: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter() if e.get("class", "") == kind or e.tag == kind]


def test_the_best_value_is_darkest_in_either_direction() -> None:
    for sign, best in ((1.0, 5.0), (-1.0, 1.0)):
        scale = scale_of([1.0, 2.0, 3.0, 4.0, 5.0], sign)
        assert scale.best == best
        assert scale.color(best) == "#{:02x}{:02x}{:02x}".format(*BEST)
        assert scale.color(6.0 - best) == "#{:02x}{:02x}{:02x}".format(*WORST)


def test_one_value_everywhere_has_a_colour() -> None:
    assert scale_of([2.0, 2.0], 1.0) == Shades(2.0, 2.0, cut=False)
    assert scale_of([2.0, 2.0], 1.0).color(2.0).startswith("#")


def test_every_cell_says_where_it_is_and_what_came_out() -> None:
    titles = texts(picture(target(), DRAWN), "title")
    assert titles[0] == "rate 0.01, kind <a>: score 1 %"
    assert titles[-1] == "rate 1, kind b: failed, or no such parameter"
    assert len(titles) == 6


def test_what_breaks_a_limit_is_struck_out_and_never_the_best() -> None:
    limited = replace(DRAWN, feasible=[True, True, True, True, False, False])
    svg = picture(target(), limited)
    assert svg.count('class="broken"') == 1
    stars = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="star"', svg)
    ring = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert len(stars) == 1
    assert ring is not None
    assert float(stars[0][0]) < float(ring[1]), (
        "the best that keeps the limit is in the first column, the default in the next"
    )


@pytest.mark.parametrize(
    ("region", "frames"),
    [({}, 0), ({"kind": ("b",)}, 1), ({"rate": (0.05, 0.5), "kind": ("b",)}, 1), ({"rate": (0.2, 0.5)}, 0)],
)
def test_a_frame_holds_the_cells_that_the_source_found_good(
    region: dict[str, tuple[object, ...]], frames: int
) -> None:
    assert picture(target(region=region), DRAWN).count('class="region"') == frames


def test_without_values_that_differ_there_is_no_picture() -> None:
    assert picture(target(), replace(DRAWN, objectives=[[2.0] * 6])) == ""
    assert picture(target(), replace(DRAWN, objectives=[[None] * 6])) == ""
