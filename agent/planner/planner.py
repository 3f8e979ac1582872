"""The planner: asks a language model for configurations and returns those that are valid, new and distinct.

Prompt, call and at most one repair round (``agent/planner/dialogue.py``). Whatever a model or a network does wrong ends
in an empty answer with the reason in words, never in an error. Decides nothing: see ``agent/referee/referee.py``. The
variants of the instruction are chosen by what came of their proposals, or asked together (``paraphrases.py``).
"""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...evaluators.problems.problem import Problem
from ...prompts.histories.by_name import SELECTIONS, HistoryName
from ...prompts.knowledge import notes
from ...prompts.render import (
    Prompt,
    PromptOptions,
    in_choices,
    instructions,
    render_proposal_prompt,
    render_repair,
)
from ...prompts.selection import goodness
from ...serving.endpoints.abilities import Abilities
from ...serving.endpoints.chat import ChatEndpoint
from ...serving.errors import InvalidInput, ServingError
from ..contracts import AbstractPlanner, PlanAnswer, PlanRequest
from ..referee.trust import is_planned
from .dialogue import Dialogue, Manner, proposals_that_fit
from .memory import PlannerMemory
from .paraphrases import Instructions, brought, combined, left_after, share_of
from .scaling_laws import prior_lines

DEFAULT_TIMEOUT_S = 60.0
_FEWEST_TOKENS = 200
"""Tokens of history below which a prompt is not shortened further, however small the server's context."""


class Planner(AbstractPlanner):
    """A chat model as planner.

    ``endpoint``: a base URL (``"http://127.0.0.1:8000/v1"``, optionally ``#model``) or any chat endpoint.
    ``samples``: completions per call, each read on its own. ``timeout_s`` bounds every call, repair included (default
    60, or ``TRIALOGUE_TIMEOUT_S``). ``prices``: US dollars per million prompt and completion tokens, where known.
    ``recording``: a file in which calls are kept and from which they are replayed without a network.
    ``history``: which trials a prompt shows of a long history (``prompts/histories/by_name.py``). ``instructions``: how
    the paraphrases of an instruction are used (``paraphrases.py``). ``on_close``: called once by ``close``. Safe to call
    from several threads; two studies may share one planner.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint | str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        name: str | None = None,
        samples: int = 1,
        temperature: float | None = 0.7,
        timeout_s: float | None = None,
        prices: tuple[float, float] | None = None,
        recording: str | Path | None = None,
        options: PromptOptions | None = None,
        knowledge: Sequence[str] = (),
        history: HistoryName = "usual",
        instructions: Instructions = "bandit",
        on_close: Callable[[], object] | None = None,
    ) -> None:
        live = _endpoint_at(endpoint, model, api_key) if isinstance(endpoint, str) else endpoint
        self.endpoint: ChatEndpoint = _recorded(recording, live)
        self._timeout_s = default_timeout_s() if timeout_s is None else timeout_s
        options = options or PromptOptions(stays_here=self.endpoint.is_local)
        self.options = options if history == "usual" else replace(options, select=SELECTIONS[history])
        self._name, self._samples, self._temperature = name, samples, temperature
        self._prices, self._knowledge = prices, tuple(knowledge)
        self._instructions: Instructions = instructions
        self._on_close = on_close

    @property
    def name(self) -> str:
        """What the ledger calls this planner: the name given, else the model's."""
        return self._name or self.endpoint.model

    @property
    def address(self) -> str:
        """Base URL and model."""
        return self.endpoint.address

    @property
    def timeout_s(self) -> float:
        """Seconds that one call may take, repair included."""
        return self._timeout_s

    def close(self) -> None:
        """End what the endpoint stands on, where this planner was given it (``on_close``)."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def prompt(self, request: PlanRequest, *, variant: int = 0) -> Prompt:
        """Return exactly what would be sent for ``request``, as short as this study's server needed it before."""
        memory = PlannerMemory.read(request.memory)
        options = self.options.shortened(memory.shortenings)
        suggestion, prediction = request.suggestion, ""
        if suggestion is not None and suggestion.assessment is not None:
            p = suggestion.assessment.prediction
            names = [o.name for o in request.history.problem.objectives]
            expected = [f"{n} {m:.4g} ± {s:.2g}" for n, m, s in zip(names, p.mean, p.sd, strict=True)]
            prediction = f" (it expects {', '.join(expected)})"
        prompt = render_proposal_prompt(
            request.history,
            n=request.n,
            purpose=request.purpose,
            rng=request.rng,
            options=options,
            variant=variant,
            suggestion=None if suggestion is None or suggestion.assessment is None else suggestion.params,
            prediction=prediction,
            knowledge=(*self._knowledge, *request.knowledge, *_known(request.history.problem, options)),
            feedback=brought(request.history) if self._instructions == "feedback" else (),
        )
        return in_choices(prompt, request.history.problem.space, request.n) if memory.choices else prompt

    def propose(self, request: PlanRequest) -> PlanAnswer:
        """Return up to ``request.n`` valid, distinct, untried proposals; ask once more if there were none."""
        request = replace(request, n=min(request.n, proposals_that_fit(request.history.problem.space)))
        seed = int(request.rng.integers(2**31))
        if self._instructions == "bandit":
            return self._asked(request, seed, _variant_for(request))
        until = time.monotonic() + min(request.deadline_s, self.timeout_s)
        count, answers = len(instructions(request.purpose)), list[PlanAnswer]()
        share = share_of(request, count, self._instructions)
        for variant in range(count):
            left = left_after(request, answers, until - time.monotonic())
            if left is None:
                break
            answers.append(self._asked(replace(left, n=share), seed + variant, variant))
        return combined(answers, request.history.problem.space, request.n, self._instructions)

    def _asked(self, request: PlanRequest, seed: int, variant: int) -> PlanAnswer:
        """Return what one paraphrase of the instruction brings, after at most one repair."""
        prompt = self.prompt(request, variant=variant)
        remembered = memory = PlannerMemory.read(request.memory)
        self.recall_abilities(remembered)
        dialogue = self.dialogue(request, seed)
        text, errors = dialogue.ask(prompt, samples=self._samples)
        shorter = replace(memory, shortenings=memory.shortenings + 1)
        if dialogue.overflowed and self.options.shortened(memory.shortenings).history_tokens > _FEWEST_TOKENS:
            memory, request = shorter, replace(request, memory=shorter.to_text())
            prompt = self.prompt(request, variant=variant)
            text, errors = dialogue.ask(prompt, samples=self._samples)
        if dialogue.strayed and not dialogue.proposals:
            memory = replace(memory, choices=True)
            prompt = in_choices(prompt, request.history.problem.space, request.n)
        if not dialogue.proposals and errors and not dialogue.abstained and request.repairs:
            dialogue.ask(render_repair(prompt, text, errors, request.n), purpose="repair")
        answer = dialogue.answer()
        proposals = tuple(replace(p, variant=variant) for p in answer.proposals)
        memory = self._with_abilities(memory)
        return replace(answer, proposals=proposals, memory="" if memory == remembered else memory.to_text())

    def recall_abilities(self, memory: PlannerMemory) -> None:
        """Tell the endpoint what was learnt about it and its model before this process."""
        if not memory.abilities:
            return
        with contextlib.suppress(ServingError):
            if memory.endpoint == self._place(self.endpoint.identify(deadline_s=self.timeout_s)):
                self.endpoint.recall(Abilities.read(memory.abilities))

    def _with_abilities(self, memory: PlannerMemory) -> PlannerMemory:
        abilities = self.endpoint.abilities.to_text()
        if not abilities:
            return memory
        return replace(memory, endpoint=self._place(self.endpoint.model), abilities=abilities)

    def _place(self, model: str) -> str:
        return f"{self.endpoint.address.partition('#')[0]}#{model}"

    def price_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return US dollars for so many tokens, or None where prices are unknown."""
        return self._manner.price_of(prompt_tokens, completion_tokens)

    @property
    def _manner(self) -> Manner:
        return Manner(self._name, self._temperature, self._prices, self.options.count)

    def dialogue(self, request: PlanRequest, seed: int, **sampling: float) -> Dialogue:
        """Return what asks this model for ``request``, within its deadline and its tokens, and keeps the account.

        ``sampling``: ``temperature`` and ``top_p`` in place of the planner's own.
        """
        until = time.monotonic() + min(request.deadline_s, self.timeout_s)
        return Dialogue(self.endpoint, request, until, seed, replace(self._manner, **sampling))


def _known(problem: Problem, options: PromptOptions) -> tuple[str, ...]:
    """Return what is known of the problem's parameters by name and from scaling laws, where context is told."""
    if options.context != "full":
        return ()
    return (*prior_lines(problem), *(line.removeprefix("- ") for line in notes(problem).splitlines()))


def _variant_for(request: PlanRequest) -> int:
    """Return which paraphrase of the instruction to use, drawn from ``request.rng`` alone: Thompson sampling on how
    often the trials that came of it were among the best third."""
    count = len(instructions(request.purpose))
    wins, losses = np.ones(count), np.ones(count)
    g = goodness(request.history)
    good = g >= np.quantile(g, 2 / 3) if len(g) else g
    key = request.history.problem.space.key
    for i, trial in enumerate(request.history.finished):
        variant = request.variants.get(key(trial.params)) if is_planned(trial.source) else None
        if variant is not None:
            wins[variant % count] += good[i]
            losses[variant % count] += 1 - good[i]
    return int(np.argmax(request.rng.beta(wins, losses)))


def default_timeout_s() -> float:
    """Return ``TRIALOGUE_TIMEOUT_S`` in seconds, else 60."""
    text = os.environ.get("TRIALOGUE_TIMEOUT_S", "")
    try:
        value = float(text) if text else DEFAULT_TIMEOUT_S
    except ValueError:
        value = 0.0
    if not 0 < value < 86_400:
        raise InvalidInput(f"TRIALOGUE_TIMEOUT_S must be seconds between 0 and 86400, got {text!r}.")
    return value


def _endpoint_at(url: str, model: str | None, api_key: str | None) -> ChatEndpoint:
    from ...serving.endpoints.client import OpenAIClient  # openai is loaded only where an endpoint is used

    base, _, name = url.partition("#")
    model = model or name or os.environ.get("TRIALOGUE_MODEL") or None
    return OpenAIClient(base, model=model, api_key=api_key or os.environ.get("OPENAI_API_KEY") or None)


def _recorded(path: str | Path | None, endpoint: ChatEndpoint) -> ChatEndpoint:
    if path is None:
        return endpoint
    from ...serving.endpoints.recording import RecordedEndpoint

    return RecordedEndpoint(path, endpoint)
