"""``trialogue targets``: the gallery of real things to tune, as a list, or one of them in full."""

import json
from collections.abc import Sequence
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
    as_json: AsJson = False,
) -> None:
    """List what can be tuned as it is: `trialogue run target:NAME --trials 30` runs one.

    Seconds are those of one evaluation of the default on one core.
    """
    from ...evaluators.targets.catalogue import MODULES, load_target

    names = [name] if name is not None else [*MODULES, *(own or [])]
    loaded = [load_target(n) for n in names]
    chosen = [t for t in loaded if family is None or t.family == family]
    if as_json:
        print(json.dumps([as_data(t) for t in chosen], indent=1))
    elif name is not None:
        print(card(chosen[0]))
    else:
        print(listing(chosen))


def listing(chosen: Sequence[GalleryTarget]) -> str:
    """Return a line per target, in columns, family by family."""
    lines = [("target", "family", "parameters", "objectives", "seconds", "source")]
    for t in sorted(chosen, key=lambda t: (t.family, t.name)):
        objectives = ", ".join(o.name for o in t.problem.objectives)
        source = t.source if len(t.source) <= 60 else t.source[:59] + "…"
        lines.append((t.name, t.family, str(len(t.problem.space)), objectives, f"{t.seconds:g}", source))
    return in_columns(lines)


def card(target: GalleryTarget) -> str:
    """Return everything about one target, in lines."""
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
    return "\n".join([*lines, "", f"trialogue run target:{target.name} --trials 30"])


def described(parameter: Any) -> str:  # Any: one of the three kinds, which share no attributes of their range
    """Return the range of a parameter and its default."""
    plain = parameter.to_dict()
    values = (
        "|".join(map(str, plain["choices"])) if "choices" in plain else f"{plain['low']:g}..{plain['high']:g}"
    )
    scale = " log" if plain.get("log") else ""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{values}{scale}{unit} (default {parameter.typical})"


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
