"""LLAMBO's prompts: candidates for a target score, the score of a configuration, and whether it is among the best.

Examples stand as JSON rows, in an order that changes with every call: the order is the prompt's only random part.
Source: Liu et al. 2024, "Large Language Models to Enhance Bayesian Optimization", ICLR (arXiv 2402.03921).
"""

import json
import re
from collections.abc import Sequence

import numpy as np

from ..evaluators.problems.history import History, Params
from ..serving.endpoints.chat import ChatMessage
from . import wording
from .render import Prompt, instructions, template
from .wire import Wire

SCORE_SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def target_value(y: Sequence[float], alpha: float, *, maximize: bool) -> float:
    """Return LLAMBO's target: the best value moved by ``alpha`` times the range seen, onwards for alpha > 0.

    In the objective's own scale and direction, whatever its sign; without a range, a tenth of the magnitude stands
    for it.
    """
    best, worst = (max(y), min(y)) if maximize else (min(y), max(y))
    spread = abs(best - worst) or 0.1 * abs(best) or 1.0
    return best + (alpha if maximize else -alpha) * spread


def render_candidates(
    history: History,
    *,
    target: float,
    variant: int,
    rng: np.random.Generator,
    about: Sequence[str],
    most: int = 40,
) -> Prompt:
    """Return the prompt for one configuration that reaches ``target`` of the first objective."""
    problem, wire = history.problem, Wire(history.problem.space)
    examples = rng.permutation(len(history.finished))[:most]
    words = instructions("llambo")
    text = template("llambo_candidates.jinja").render(
        about=about,
        parameters=[wording.parameter_line(p, wire) for p in problem.space.parameters],
        rows=[wording.finished_row(history.finished[i], problem, wire) for i in examples],
        instruction=words[variant % len(words)],
        target=f"{wording.quoted(problem.objectives[0].name)} = {target:.5g}",
    )
    system = template("system.jinja").render(example="{…}")
    return Prompt((ChatMessage("system", system), ChatMessage("user", text)), wire.schema(1), variant)


def render_score(
    wire: Wire, examples: Sequence[tuple[Params, float]], query: Params, about: Sequence[str]
) -> tuple[ChatMessage, ...]:
    """Return the messages that ask for the score of one configuration."""
    rows = [
        json.dumps({"params": wire.to_wire(p), "score": round(y, 2)}, ensure_ascii=False) for p, y in examples
    ]
    return _asked("llambo_score.jinja", wire, rows, query, about)


def render_class(
    wire: Wire, examples: Sequence[tuple[Params, bool]], query: Params, about: Sequence[str], percent: int
) -> tuple[ChatMessage, ...]:
    """Return the messages that ask whether one configuration is among the best."""
    rows = [json.dumps({"params": wire.to_wire(p), "best": int(c)}, ensure_ascii=False) for p, c in examples]
    return _asked("llambo_class.jinja", wire, rows, query, about, percent=percent)


def _asked(
    name: str, wire: Wire, rows: Sequence[str], query: Params, about: Sequence[str], **more: object
) -> tuple[ChatMessage, ...]:
    text = template(name).render(
        about=[wording.one_line(line) for line in about],
        parameters=[wording.parameter_line(p, wire) for p in wire.space.parameters],
        rows=rows,
        query=json.dumps({"params": wire.to_wire(query)}, ensure_ascii=False),
        **more,
    )
    return (ChatMessage("user", text),)


def read_score(text: str) -> float | None:
    """Return the number in an answer (with exponent, sign and all), or None."""
    try:
        data = json.loads(text)
        text = str(data.get("score")) if isinstance(data, dict) else str(data)
    except (ValueError, RecursionError):
        pass
    match = _NUMBER.search(text[:2_000].replace('"score"', ""))
    number = float(match.group()) if match else float("nan")
    return number if abs(number) < 1e6 else None
