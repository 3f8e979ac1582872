"""Random streams depend on seed, index and purpose, and on nothing else."""

from trialogue.evaluators.random_streams import stream


def test_streams_repeat_and_differ() -> None:
    def first(seed: int, index: int, purpose: str) -> float:
        return float(stream(seed, index, purpose).random())

    keys = [(0, 0, "surrogate"), (1, 0, "surrogate"), (0, 1, "surrogate"), (0, 0, "planner")]
    values = [first(*key) for key in keys]
    assert len(set(values)) == 4
    assert [first(*key) for key in keys] == values
