"""What the loads of one attempt say together."""

from trialogue.evaluators.servers.attempt import Attempt
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
