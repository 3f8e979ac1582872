"""Renders what a model is asked: a problem, its history within a token budget, the surrogate's view, and the task.

Templates are data files (``prompts/templates``), variables are strict, and nothing that comes from outside is ever a
template. Knows nothing of endpoints: a rendered prompt is a tuple of messages and the schema that an answer must obey.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

import jinja2
import numpy as np

from ..evaluators.problems.history import History, Params
from ..evaluators.spaces.space import SearchSpace
from ..serving.endpoints.chat import ChatMessage
from . import wording
from .selection import Selection, best_and_recent, goodness
from .wire import Wire

Purpose = Literal["warm_start", "candidates"]


def characters_over_three(text: str) -> int:
    """Return a rough number of tokens: JSON with many numbers has about three characters per token."""
    return len(text) // 3 + 1


@dataclass(frozen=True)
class PromptOptions:
    """What a prompt may hold. ``history_tokens`` bounds the rows, counted by ``count``; ``context``: how much of the
    problem is told (``"none"``: names and ranges only, ``"partial"``: also description and objectives' units,
    ``"full"``)."""

    history_tokens: int = 1_200
    max_rows: int = 40
    select: Selection = best_and_recent
    count: Callable[[str], int] = characters_over_three
    context: Literal["none", "partial", "full"] = "full"
    stays_here: bool = True

    def shortened(self, times: int) -> "PromptOptions":
        """Return options for a smaller context: a third of the history each time, and no long context."""
        if times <= 0:
            return self
        context = "partial" if self.context == "full" else self.context
        return replace(self, history_tokens=self.history_tokens // 3**times, context=context)


@dataclass(frozen=True)
class Prompt:
    """Messages, the schema of the answer, and which instruction was used."""

    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any]
    variant: int = 0
    shown: tuple[int, ...] = field(default=())


def render_proposal_prompt(
    history: History,
    *,
    n: int,
    purpose: Purpose,
    rng: np.random.Generator,
    options: PromptOptions | None = None,
    variant: int = 0,
    suggestion: Params | None = None,
    prediction: str = "",
    knowledge: Sequence[str] = (),
    insights: Sequence[str] = (),
    feedback: Sequence[int] = (),
) -> Prompt:
    """Return the prompt for ``n`` proposals. ``suggestion``: the surrogate's own next point, of which ours should
    differ. ``feedback``: places among the finished trials of what earlier rounds brought, named in the task, best first."""
    options = options or PromptOptions()
    problem, wire = history.problem, Wire(history.problem.space)
    rows, shown, omitted = history_rows(history, wire, rng, options)
    lines = list(insights)
    if options.context == "full":
        lines += wording.summary_lines(history, goodness(history).tolist(), wire)
    if suggestion is not None:
        lines.append(
            f"its own next point would be {wording.params_text(suggestion, wire)}{prediction}; propose others"
        )
    counts = {k: len(getattr(history, k)) for k in ("finished", "failed", "running")}
    user = template("propose.jinja").render(
        problem=_problem_words(history, wire, options),
        knowledge=[wording.one_line(k) for k in knowledge],
        history={"rows": rows, "omitted": omitted, **counts},
        insights=[wording.one_line(line) for line in lines],
        instruction=instructions(purpose)[variant % len(instructions(purpose))].replace("{n}", str(n)),
        demands=_demands(purpose),
        feedback=[wording.finished_row(history.finished[i], problem, wire) for i in feedback],
    )
    example = wording.params_text(problem.space.default(), wire) if len(wire.space) <= 12 else "{…}"
    system = template("system.jinja").render(example=example)
    messages = (ChatMessage("system", system), ChatMessage("user", user))
    return Prompt(messages, wire.schema(n), variant, tuple(shown))


def in_choices(prompt: Prompt, space: SearchSpace, n: int) -> Prompt:
    """Return the same prompt, its answer held to ``Wire.schema_of_choices``."""
    return replace(prompt, schema=Wire(space).schema_of_choices(n))


def render_repair(prompt: Prompt, answer: str, errors: Sequence[str], n: int) -> Prompt:
    """Return the prompt of the one repair round: the answer and what is wrong with it."""
    text = template("repair.jinja").render(errors=[wording.one_line(e) for e in errors[:5]], n=n)
    reply = ChatMessage("assistant", answer[:2_000] or "(empty)")
    messages = (*prompt.messages, reply, ChatMessage("user", text))
    return Prompt(messages, prompt.schema, prompt.variant, prompt.shown)


def history_rows(
    history: History, wire: Wire, rng: np.random.Generator, options: PromptOptions
) -> tuple[list[str], list[int], bool]:
    """Return the JSON rows within the token budget (failed, worst to best, stopped, running), the trials shown, and
    whether some were left out. A fifth of the budget is for failures, a fifth for running ones."""
    problem = history.problem
    g = goodness(history)
    budget = options.history_tokens
    running = [wording.running_row(t, wire) for t in history.running]
    failed = [wording.failed_row(t, wire, stays_here=options.stays_here) for t in reversed(history.failed)]
    failed += [wording.pruned_row(t, wire) for t in reversed(history.pruned)]
    running = _within(running, budget // 5, options)
    failed = _within(failed, budget // 5, options)
    budget -= sum(map(options.count, [*running, *failed]))
    places: list[int] = []
    digits = [wording.value_digits(column.tolist()) for column in history.Y.T]
    if len(g):
        for i in options.select(history.rows("finished").X, g, options.max_rows, rng):
            cost = options.count(wording.finished_row(history.finished[i], problem, wire, digits))
            if cost > budget and places:
                break
            budget -= cost
            places.append(i)
    measured = [
        wording.finished_row(history.finished[i], problem, wire, digits)
        for i in sorted(places, key=lambda i: (g[i], i))
    ]
    rows = [*reversed(failed), *measured, *running]
    return rows, [history.finished[i].number for i in places], len(rows) < len(history)


def _within(rows: Sequence[str], budget: int, options: PromptOptions) -> list[str]:
    lines: list[str] = []
    for row in rows[: options.max_rows // 2]:
        budget -= options.count(row)
        if budget < 0 and lines:
            break
        lines.append(row)
    return lines


def _problem_words(history: History, wire: Wire, options: PromptOptions) -> dict[str, Any]:
    problem = history.problem
    has_context = options.context != "none"
    return {
        "name": wording.one_line(problem.name) if has_context else "an experiment",
        "description": wording.one_line(problem.description) if has_context else "",
        "context": wording.context_lines(problem) if options.context == "full" else [],
        "goals": wording.goal_lines(problem),
        "parameters": [wording.parameter_line(p, wire) for p in problem.space.parameters],
        "relations": "; ".join(map(wording.one_line, problem.space.where)),
    }


def _demands(purpose: Purpose) -> list[str]:
    return [] if purpose == "warm_start" else ["Do not repeat or barely change a configuration listed above."]


def instructions(purpose: Purpose | Literal["llambo"]) -> tuple[str, ...]:
    """Return the paraphrased instructions for one purpose; ``{n}`` stands for the number of proposals."""
    return tuple(_instructions()[purpose])


@cache
def _instructions() -> Mapping[str, list[str]]:
    return json.loads(_read("instructions.json"))


@cache
def template(name: str) -> jinja2.Template:
    """Return the template of that name in ``prompts/templates``."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(name)


def _read(name: str) -> str:
    return (resources.files(__name__.rpartition(".")[0]) / "templates" / name).read_text(encoding="utf-8")
