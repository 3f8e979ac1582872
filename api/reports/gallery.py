"""The gallery as one HTML page: a card per target with the picture of its landscape, its claim and how long it takes.

It loads nothing and sends nothing. What a claim's check measured and what pictures are drawn from was recorded
(``evaluators/targets/recorded.py``): a target of a user's own has neither. Knows no studies.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import jinja2
from markupsafe import Markup

from ...evaluators.spaces.parameters import Parameter
from ...evaluators.targets.catalogue import MODULES, load_target
from ...evaluators.targets.recorded import Landscape, evidence_of, landscape_of
from ...evaluators.targets.target import Evidence, GalleryTarget
from .landscape import picture
from .page import short


@dataclass(frozen=True, slots=True)
class Card:
    """A target with what was recorded of it; ``pictures``: of its first two objectives."""

    target: GalleryTarget
    evidence: Evidence | None
    landscape: Landscape | None
    pictures: Sequence[Markup]


@cache
def whole_page() -> str:
    """Return the page of all targets of the package, made once; the first time loads PyTorch."""
    return render([card_of(load_target(name), listed=True) for name in MODULES])


def card_of(target: GalleryTarget, *, listed: bool) -> Card:
    """Return the card of a target; ``listed``: it is the package's own, not a user's that may have the same name."""
    scape = landscape_of(target.name) if listed else None
    images = (
        [picture(target, scape, i) for i in range(min(2, len(target.problem.objectives)))] if scape else []
    )
    pictures = [Markup(p) for p in images if p]
    return Card(target, evidence_of(target.name) if listed else None, scape, pictures)


def render(cards: Sequence[Card]) -> str:
    """Return the page, family by family."""
    ordered = sorted(cards, key=lambda c: (c.target.family, c.target.name))
    families = [(name, list(group)) for name, group in itertools.groupby(ordered, lambda c: c.target.family)]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters.update({"short": short, "described": described})
    css = Markup("\n").join([_asset("report.css"), _asset("gallery.css")])
    page = environment.from_string(_asset("gallery.html.jinja"))
    return page.render(families=families, count=len(cards), css=css, version=version("trialogue"))


def described(parameter: Parameter) -> str:
    """Return the range of a parameter and its default."""
    plain = parameter.to_dict()
    values = (
        "|".join(map(str, plain["choices"])) if "choices" in plain else f"{plain['low']:g}..{plain['high']:g}"
    )
    scale = " log" if plain.get("log") else ""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{values}{scale}{unit} (default {parameter.typical})"


def _asset(name: str) -> Markup:
    return Markup(files(__package__ or "").joinpath("templates", name).read_text("utf-8"))
