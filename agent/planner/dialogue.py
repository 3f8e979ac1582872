"""One question to a model, and what becomes of its answers: parsed, validated, new, and accounted for.

Never raises for what a model or a network does: errors end as words, in the call's record and for the model itself.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...evaluators.problems.history import Proposal
from ...evaluators.spaces.space import SearchSpace
from ...prompts.answers import RawProposal, read_answer
from ...prompts.errors import ModelAnswerInvalid
from ...prompts.render import Prompt
from ...prompts.wire import Wire
from ...serving.endpoints.chat import ChatAnswer, ChatEndpoint, ChatRequest
from ...serving.errors import EndpointRefused, EndpointTimeout, EndpointUnreachable, ServingError
from ..contracts import CallRecord, Outcome, PlanAnswer, PlanRequest
from ..referee.novelty import Novelty

_UNBOUNDED = 8
"""Times the allowed length: a model whose thinking was cut off is asked again with more room."""


_LONGEST = 8_000
"""Tokens of an answer at most."""
_FRAME = 400
"""Tokens of an answer besides its proposals."""


def proposals_that_fit(space: SearchSpace) -> int:
    """Return how many proposals of this many parameters fit in one answer: at least one."""
    return max(1, (_LONGEST - _FRAME) // _tokens_each(space))


def _tokens_each(space: SearchSpace) -> int:
    return 160 + 16 * len(space)


@dataclass(frozen=True)
class Manner:
    """How a model is asked. ``name``: what its proposals are signed with (None: the model's own name).

    ``prices``: US dollars per million prompt and completion tokens; ``count`` counts tokens.
    """

    name: str | None
    temperature: float | None
    prices: tuple[float, float] | None
    count: Callable[[str], int]
    top_p: float | None = None

    def price_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return US dollars for so many tokens, or None where prices are unknown."""
        if self.prices is None:
            return None
        return (prompt_tokens * self.prices[0] + completion_tokens * self.prices[1]) / 1e6


class Dialogue:
    """What came of asking a model for ``request``: proposals, calls, notes. One thread; used for one request.

    ``overflowed``: the server said that prompt and answer do not fit its context; answers are then asked to be shorter.
    ``strayed``: an answer had the form that was asked for, and no configuration in it lay within the space.
    """

    def __init__(
        self, endpoint: ChatEndpoint, request: PlanRequest, until: float, seed: int, manner: Manner
    ) -> None:
        self._endpoint, self._request, self._until, self._seed, self._manner = (
            endpoint,
            request,
            until,
            seed,
            manner,
        )
        self._novelty = Novelty.of(request.history)
        self._wire = Wire(request.history.problem.space)
        self.proposals: list[Proposal] = []
        self.calls: list[CallRecord] = []
        self.notes: list[str] = []
        self.abstained = False
        self.overflowed = False
        self.strayed = False

    def ask(self, prompt: Prompt, *, purpose: str | None = None, samples: int = 1) -> tuple[str, list[str]]:
        """Send a prompt and take in its answers; return the last text and what was wrong, in words for the model."""
        purpose = purpose or self._request.purpose
        if self._request.calls_left is not None and len(self.calls) >= self._request.calls_left:
            self.notes.append(f"not asked again: the budget of calls is used up ({purpose})")
            return "", []
        left = self._tokens_left()
        chat = self._chat_request(prompt, samples, left)
        if chat is None:
            self._fail(purpose, "over_budget", f"not asked: {left} tokens are left")
            return "", []
        try:
            answer = self._endpoint.complete(chat, deadline_s=self._until - time.monotonic())
        except ServingError as error:
            self._fail(purpose, outcome_of(error), str(error), chat)
            self.overflowed = "context" in str(error).lower() and isinstance(error, EndpointRefused)
            return "", []
        if answer.usage.completion_tokens > _UNBOUNDED * samples * chat.max_tokens:
            self._record(answer, purpose, "unbounded", f"wrote beyond max_tokens={chat.max_tokens}")
            self.notes.append(f"the server ignores max_tokens={chat.max_tokens}: its answer was not read")
            return "", []
        return self._take(answer, purpose)

    def answer(self) -> PlanAnswer:
        """Return everything that came, as a planner's answer."""
        return PlanAnswer(tuple(self.proposals), tuple(self.calls), tuple(self.notes), self.abstained)

    def _chat_request(self, prompt: Prompt, samples: int, tokens_left: int | None) -> ChatRequest | None:
        """Return the request for a prompt, or None where the tokens left do not suffice for it."""
        per_proposal = _tokens_each(self._wire.space)
        max_tokens = min(_LONGEST, _FRAME + self._request.n * per_proposal)
        max_tokens = max_tokens // 2 if self.overflowed else max_tokens
        needed = sum(self._manner.count(m.content) for m in prompt.messages)
        if tokens_left is not None:
            max_tokens = min(max_tokens, (tokens_left - needed) // samples)
        max_tokens = min(max_tokens, self._affordable(needed) // samples)
        if max_tokens < per_proposal:
            return None
        return ChatRequest(
            prompt.messages,
            n=samples,
            schema=prompt.schema,
            temperature=self._manner.temperature,
            top_p=self._manner.top_p,
            max_tokens=max_tokens,
            seed=self._seed,
        )

    def _affordable(self, prompt_tokens: int) -> int:
        """Return how many tokens of answers the money left pays for, after a prompt of so many."""
        left, prices = self._request.price_left, self._manner.prices
        if left is None or prices is None or prices[1] <= 0:
            return 10**9
        left -= sum(c.price or 0.0 for c in self.calls) + prompt_tokens * prices[0] / 1e6
        return max(0, int(left * 1e6 / prices[1]))

    def _take(self, answer: ChatAnswer, purpose: str) -> tuple[str, list[str]]:
        before, errors, text = len(self.proposals), [], ""
        tokens = answer.usage.total // len(answer.completions)
        for completion in answer.completions:
            text, cut_off = completion.text, completion.finish_reason == "length"
            try:
                raw = read_answer(
                    text, structured=answer.structured, cut_off=cut_off, names=self._wire.known_names
                )
            except ModelAnswerInvalid as error:
                errors.append(f"{error} It was cut off: be shorter." if cut_off else str(error))
                continue
            self.abstained |= raw.abstained
            errors += self._add(raw.proposals, tokens, structured=answer.structured)
        good = len(self.proposals) > before
        self.abstained &= not self.proposals
        outcome: Outcome = "ok" if good else ("abstained" if self.abstained else "invalid")
        self._record(answer, purpose, outcome, "; ".join(errors))
        self.notes += [*answer.notes, *(errors if not good else [])]
        return text, errors

    def _add(self, raws: Sequence[RawProposal], tokens: int, *, structured: bool) -> list[str]:
        errors, strayed = [], 0
        for raw in raws:
            try:
                params = self._wire.from_wire(raw.params)
            except ModelAnswerInvalid as error:
                errors.append(str(error))
                strayed += 1
                continue
            if not self._novelty.is_new(params):
                errors.append(f"{self._wire.to_wire(params)} was tried already, or is not clearly different.")
            elif len(self.proposals) < self._request.n:
                self._novelty.add(params)
                share = tokens // max(1, len(raws))
                source = f"planner:{self._manner.name or self._endpoint.model}"
                self.proposals.append(
                    Proposal(params, source, raw.hypothesis, raw.expected, raw.confidence, share)
                )
        self.strayed |= structured and 0 < strayed == len(raws)
        return errors

    def _tokens_left(self) -> int | None:
        left = self._request.tokens_left
        return None if left is None else left - sum(c.prompt_tokens + c.completion_tokens for c in self.calls)

    def _record(self, answer: ChatAnswer, purpose: str, outcome: Outcome, detail: str) -> None:
        usage = answer.usage
        price = self._manner.price_of(usage.prompt_tokens, usage.completion_tokens)
        counts = (usage.prompt_tokens, usage.completion_tokens, answer.latency_s, price)
        self.calls.append(
            CallRecord(answer.model, purpose, answer.prompt_hash, outcome, *counts, detail[:500])
        )

    def _fail(self, purpose: str, outcome: Outcome, detail: str, chat: ChatRequest | None = None) -> None:
        model = self._endpoint.model
        self.calls.append(
            CallRecord(model, purpose, chat.hash(model) if chat else "", outcome, detail=detail[:500])
        )
        self.notes.append(detail)


def outcome_of(error: ServingError) -> Outcome:
    """Return how a call that failed is accounted for."""
    if isinstance(error, EndpointTimeout):
        return "timeout"
    return "unreachable" if isinstance(error, EndpointUnreachable) else "refused"
