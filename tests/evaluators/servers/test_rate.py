"""The most requests at once that keep the limits."""

from hypothesis import given, strategies as st

from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.rate import highest_concurrency
from trialogue.serving.servers.failures import ServerFailure
from trialogue.serving.servers.load import LoadResult

LIMITS = [Constraint("ttft_p99_ms", upper=200.0), Constraint("compliance", lower=0.99)]


def server(holding: int):
    """Return loads that keep both limits up to ``holding`` requests at once, and break one or the other beyond."""

    def measure(n: int) -> LoadResult:
        late, share = (300.0, 1.0) if n % 2 else (100.0, 0.5)
        return LoadResult(
            {"ttft_p99_ms": 100.0, "compliance": 1.0}
            if n <= holding
            else {"ttft_p99_ms": late, "compliance": share}
        )

    return measure


@given(st.integers(0, 600), st.integers(1, 600), st.integers(1, 500))
def test_the_answer_is_a_concurrency_that_held_and_close_to_one_that_did_not(
    holding: int, first: int, most: int
) -> None:
    found = highest_concurrency(server(holding), LIMITS, first, most=most, runs=30)
    truth = min(holding, most)
    assert found.best <= truth
    assert found.best >= min(truth, max(truth / 1.05 - 1, 0))
    assert all(isinstance(held, bool) and 1 <= load <= most for load, held in found.tried)


def test_the_search_ends_at_the_most_that_can_be_asked() -> None:
    found = highest_concurrency(server(500), LIMITS, 16, most=64)
    assert [load for load, _ in found.tried] == [16, 32, 64]


def test_no_concurrency_holds_where_one_request_is_too_slow() -> None:
    found = highest_concurrency(server(0), LIMITS, 4, most=64)
    assert (found.best, found.result) == (0, None)


def test_a_server_that_dies_ends_the_search_with_what_held_before() -> None:
    dead = LoadResult(problem="died", failure=ServerFailure("dead_engine", "the engine died", "load"))
    found = highest_concurrency(
        lambda n: dead if n > 8 else LoadResult({"ttft_p99_ms": 1.0}), LIMITS, 8, most=64
    )
    assert (found.best, len(found.tried)) == (8, 2)
    assert found.failure is not None
