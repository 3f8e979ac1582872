"""``trialogue targets``: the gallery of real things to tune, as a list, or one of them in full."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...evaluators.targets.target import GalleryTarget
from ..cli.manage import in_columns
from ..options import AsJson


def targets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this one in full.")] = None,
    family: Annotated[str | None, typer.Option(metavar="FAMILY", help="List this family only.")] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="MODULE:NAME", help="List this target of your own too; also FILE.py:NAME."
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write them as a page with pictures of their landscapes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what can be tuned as it is: `trialogue run target:NAME --trials 30` runs one.

    Seconds are those of one evaluation of the default on one core.
    """
    from ...evaluators.targets.catalogue import MODULES, load_target

    names = [name] if name is not None else [*MODULES, *(own or [])]
    loaded = {n: load_target(n) for n in names}
    selection = {n: t for n, t in loaded.items() if family is None or t.family == family}
    if page is not None:
        from ..reports.gallery import card_of, render

        page.write_text(render([card_of(t, listed=n in MODULES) for n, t in selection.items()]), "utf-8")
        print(page)
    elif as_json:
        print(json.dumps([as_data(t) for t in selection.values()], indent=1))
    elif name is not None:
        print(card(loaded[name], name))
    else:
        print(listing(list(selection.values())))


def listing(chosen: Sequence[GalleryTarget]) -> str:
    """Return a line per target, in columns, family by family."""
    lines = [("target", "family", "parameters", "objectives", "seconds", "source")]
    for t in sorted(chosen, key=lambda t: (t.family, t.name)):
        objectives = ", ".join(o.name for o in t.problem.objectives)
        source = t.source if len(t.source) <= 60 else t.source[:59] + "…"
        lines.append((t.name, t.family, str(len(t.problem.space)), objectives, f"{t.seconds:g}", source))
    return in_columns(lines)


def card(target: GalleryTarget, called: str) -> str:
    """Return everything about one target, in lines; ``called``: the name it is run by."""
    from ..reports.gallery import described

    lines = [f"{target.name} ({target.family})", target.problem.description, f"Source: {target.source}", ""]
    for p in target.problem.space:
        when = f"  when {dict(p.when)}" if p.when else ""
        lines.append(f"  {p.name:18} {described(p)}  {p.description}{when}")
    lines += ["", *(f"{o.direction} {o.name}: {o.description}" for o in target.problem.objectives)]
    lines += [f"within {c.name}: {c.lower} to {c.upper}" for c in target.problem.constraints]
    if target.region:
        lines.append(f"Found good there: {json.dumps({k: list(v) for k, v in target.region.items()})}")
    if target.claim is not None:
        lines.append(f"Claim: {target.claim.text}")
    return "\n".join([*lines, "", f"trialogue run target:{called} --trials 30"])


def as_data(target: GalleryTarget) -> dict[str, Any]:  # Any: JSON values
    """Return a target as plain JSON values."""
    return {
        "name": target.name,
        "family": target.family,
        "problem": target.problem.to_dict(),
        "source": target.source,
        "region": {name: list(values) for name, values in target.region.items()},
        "claim": target.claim.text if target.claim else None,
        "seconds": target.seconds,
    }
