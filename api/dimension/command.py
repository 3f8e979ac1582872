"""``trialogue dimension STUDY.toml``: how many numbers a study needs, by searching random subspaces."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ...evaluators.errors import InvalidSpecification
from ..options import AsJson


def dimension(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study; its evaluator is run.")],
    trials: Annotated[int, typer.Option(min=5, help="Trials per study.")] = 30,
    seeds: Annotated[int, typer.Option(min=1, help="Studies per dimension.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Search random subspaces of 1, 2, 4, … dimensions and say which is the first that is nearly as good as the whole.

    Evaluates about log2(parameters) x seeds x trials times, in memory. A small d90 says that few numbers matter.
    """
    from ..study_files.study_file import read_specification
    from .measured import dimensions, gain, smallest

    specification = read_specification(file)
    D = len(specification.problem.space)
    if D < 2:
        raise InvalidSpecification(f"{file}: a study of {D} parameter has no subspace.")
    gains: dict[int, float] = {}
    for d in dimensions(D):
        gains[d] = gain(specification, d, trials, range(seeds))
        if not as_json:
            print(f"{d:4} of {D} dimensions: gains {gains[d]:.6g} over the default", flush=True)
    d90 = smallest(gains)
    if as_json:
        print(json.dumps({"gains": gains, "d90": d90, "parameters": D}, indent=1))
    elif d90 is None:
        print("The whole space gained nothing over the default in so many trials: no d90.")
    else:
        print(f"d90 = {d90} of {D}: the smallest dimension that gains nine tenths of the whole space.")
