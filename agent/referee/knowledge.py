"""The referee of what is known by name: usual configurations from the knowledge base are worth a trial unchecked.

A model fitted to a handful of trials knows less than the documentation: on LLAMBO's own tasks one counted evaluation of
the library default, followed by a GP, equals GPT-3.5. The usual configuration and its usual alternative are therefore
run; a third follows only while a known one is the best trial, so that wrong knowledge costs two trials. Knows nothing of
how the configurations were found (``prompts/knowledge.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...evaluators.problems.history import History, Proposal
from ...prompts.knowledge import warm_starts
from ...prompts.selection import goodness
from ..contracts import Case, Verdict
from .novelty import Novelty

KNOWN = "knowledge"
"""Source of such proposals and their trials."""
OPENING = 10
"""Trials after which the usual configurations are no longer run: the study knows better by then."""


@dataclass(frozen=True)
class KnownReferee:
    """``always``: known configurations that are run whatever came of them; ``most``: that are run at all."""

    always: int = 2
    most: int = 3

    def judge(self, case: Case) -> tuple[Verdict, ...]:
        """Keep the first proposal while fewer than ``always`` were run, or one of those run is the best trial."""
        allowed, why = self.allows(case.history)
        return tuple(
            Verdict(
                p, allowed and i == 0, why if i == 0 or not allowed else "another goes first", checked=False
            )
            for i, p in enumerate(case.proposals)
        )

    def allows(self, history: History) -> tuple[bool, str]:
        """Return whether another known configuration is run now, and why."""
        is_known = np.array([t.source == KNOWN for t in history.finished], bool)
        failed = sum(t.source == KNOWN for t in history.failed)
        waiting = sum(t.source == KNOWN for t in history.running)
        run = int(is_known.sum()) + failed + waiting
        if run >= self.most or failed or waiting:
            return False, "enough known configurations were run"
        if run < self.always:
            return True, "known by name: run unchecked"
        leads = bool(is_known[np.argmax(goodness(history))])
        return (
            leads,
            "a known configuration leads: another" if leads else "the known configuration does not lead",
        )


def known_proposals(history: History, starts: Sequence[Proposal] | None = None) -> tuple[Proposal, ...]:
    """Return the untried usual configurations while the study is young; () where nothing is known by name.

    ``starts``: all of the problem's usual configurations, where they were looked up before.
    """
    starts = warm_starts(history.problem) if starts is None else starts
    if (
        not starts
        or len(history.finished) + len(history.failed) >= OPENING
        or not KnownReferee().allows(history)[0]
    ):
        return ()
    novelty = Novelty.of(history)
    starts_left = [p for p in starts if novelty.is_new(p.params)]
    return tuple(replace(p, source=KNOWN) for p in starts_left)
