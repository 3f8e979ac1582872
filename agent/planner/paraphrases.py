"""Several paraphrases of one instruction in one round: their proposals united, or their ranked lists fused.

``"bandit"`` asks one paraphrase per round, drawn by how often its trials were among the best third. ``"ensemble"`` asks
every paraphrase for its share of the proposals and takes all; ``"fusion"`` asks every one for all and ranks by reciprocal
rank fusion, sum of 1 / (60 + rank) over the lists that hold a proposal. Every prompt shows results of the study, which
is the feedback of the sources' second variant; before there are any it is their first.

Sources: Dhole & Agichtein 2024, "GenQREnsemble: zero-shot LLM ensemble prompting for generative query reformulation",
and its fusion of rankings; reciprocal rank fusion: Cormack, Clarke & Büttcher 2009.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Literal

from ...evaluators.problems.history import History, Proposal
from ...evaluators.spaces.space import SearchSpace
from ...prompts.selection import goodness
from ..contracts import PlanAnswer, PlanRequest
from ..referee.novelty import Novelty
from ..referee.trust import is_planned

Instructions = Literal["bandit", "ensemble", "fusion", "feedback"]
RANK_CONSTANT = 60
FED_BACK = 5
"""Measured proposals that are named as feedback."""


def brought(history: History) -> tuple[int, ...]:
    """Return the places among the finished trials of the planner's best ones, best first."""
    g = goodness(history)
    planned = [i for i, trial in enumerate(history.finished) if is_planned(trial.source)]
    return tuple(sorted(planned, key=lambda i: -g[i])[:FED_BACK])


def share_of(request: PlanRequest, paraphrases: int, how: Instructions) -> int:
    """Return how many proposals each paraphrase is asked for."""
    return request.n if how == "fusion" else -(-request.n // paraphrases)


def combined(answers: Sequence[PlanAnswer], space: SearchSpace, n: int, how: Instructions) -> PlanAnswer:
    """Return one answer of at most n distinct proposals, with all calls and notes of the answers."""
    lists = [answer.proposals for answer in answers]
    proposals = fused(lists, space)[:n] if how == "fusion" else united(lists, space)[:n]
    memory = next((a.memory for a in reversed(answers) if a.memory), "")
    return PlanAnswer(
        tuple(proposals),
        tuple(call for a in answers for call in a.calls),
        tuple(dict.fromkeys(note for a in answers for note in a.notes)),
        bool(answers) and not proposals and all(a.abstained for a in answers),
        memory,
    )


def left_after(request: PlanRequest, answers: Sequence[PlanAnswer], deadline_s: float) -> PlanRequest | None:
    """Return the request with what earlier paraphrases left of its limits; None where too little is left to ask."""
    calls = [call for a in answers for call in a.calls]
    tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls)
    price = sum(c.price or 0.0 for c in calls)
    failed = bool(calls) and calls[-1].outcome in ("timeout", "unreachable", "refused", "unbounded")
    calls_left = None if request.calls_left is None else request.calls_left - len(calls)
    if deadline_s <= 0 or failed or (calls_left is not None and calls_left < 1):
        return None
    return replace(
        request,
        deadline_s=deadline_s,
        calls_left=calls_left,
        tokens_left=None if request.tokens_left is None else max(0, request.tokens_left - tokens),
        price_left=None if request.price_left is None else max(0.0, request.price_left - price),
        memory=next((a.memory for a in reversed(answers) if a.memory), request.memory),
    )


def united(lists: Sequence[Sequence[Proposal]], space: SearchSpace) -> list[Proposal]:
    """Return the distinct proposals of all lists, first ones first."""
    novelty = Novelty(space)
    proposals: list[Proposal] = []
    for proposal in (p for row in zip_longest(*lists) for p in row if p is not None):
        if novelty.is_new(proposal.params):
            novelty.add(proposal.params)
            proposals.append(proposal)
    return proposals


def fused(lists: Sequence[Sequence[Proposal]], space: SearchSpace) -> list[Proposal]:
    """Return the distinct proposals by falling sum of 1 / (60 + rank) over the lists; ties in order of first mention."""
    proposals = united(lists, space)
    scores = [0.0] * len(proposals)
    for ranked in lists:
        for rank, proposal in enumerate(ranked, start=1):
            here = Novelty(space, [proposal.params])
            i = next(i for i, other in enumerate(proposals) if not here.is_new(other.params))
            scores[i] += 1.0 / (RANK_CONSTANT + rank)
    return [proposals[i] for i in sorted(range(len(proposals)), key=lambda i: -scores[i])]
