"""Budgets: what is no limit is refused before anything is stored."""

from typing import Any

import pytest

from trialogue.agent.budget import Budget
from trialogue.serving.errors import InvalidInput

BAD: list[Any] = [-1, True, "9", float("nan"), float("inf"), 10**400, 10**5000]


@pytest.mark.parametrize("limit", ["trials", "seconds", "tokens", "calls", "price"])
@pytest.mark.parametrize("bad", BAD, ids=lambda value: type(value).__name__)
def test_what_is_no_limit_is_refused_in_words(limit: str, bad: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"`budget.{limit}` must be a number >= 0"):
        Budget(**{limit: bad})
