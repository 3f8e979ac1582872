"""What the loads of one attempt say together."""

import pytest

from trialogue.evaluators.errors import EvaluationFailed
from trialogue.evaluators.servers.attempt import Attempt
from trialogue.serving.servers.failures import ServerFailure
from trialogue.serving.servers.load import LoadResult


def test_a_share_of_requests_is_not_restated_by_the_default_beside() -> None:
    own, default = ({"output_tok_s": v, "compliance": share} for v, share in ((50.0, 0.95), (25.0, 0.5)))
    attempt = Attempt(
        "", "fork", results=(LoadResult(own),), beside=(LoadResult(default),),
        scale={"output_tok_s": 100.0, "compliance": 0.9},
    )  # fmt: skip
    assert {n: v for n, v in attempt.mean().items() if n != "devices"} == {
        "output_tok_s": 200.0,
        "compliance": 0.95,
    }


def test_a_default_that_hangs_is_told_with_its_log_and_what_to_do() -> None:
    Attempt("", "fork", results=(LoadResult({"output_tok_s": 1.0}),)).require()
    hanging = Attempt(
        "", "fork", failure=ServerFailure("hang", "while it was warmed up", "load"), log="s.log"
    )
    with pytest.raises(
        EvaluationFailed, match=r"default could not .* warmed up.*'s\.log'.*threads=1"
    ) as caught:
        hanging.require()
    assert caught.value.kind == "timeout"
