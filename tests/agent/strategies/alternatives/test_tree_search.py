"""Tree search: the contract of strategies, UCT's bound and growth, rewards, and the paper's claim in small."""

import numpy as np
import pytest
from contracts.strategy import StrategyContract, play

import trialogue as tl
from trialogue.agent.strategies.alternatives.tree_search import TreeSearchStrategy, VisitCounts

TERNARY = tl.Problem(
    "ternary",
    tl.SearchSpace([tl.Categorical(f"c{i}", ["a", "b", "c"]) for i in range(6)]),
    objectives=[tl.Objective("value", "maximize")],
)


class TestTreeSearch(StrategyContract):
    @pytest.fixture
    def make(self):
        return lambda problem, seed: TreeSearchStrategy(problem, seed)


class TestTreeSearchOnASurrogate(StrategyContract):
    @pytest.fixture
    def make(self):
        return lambda problem, seed: TreeSearchStrategy(problem, seed, surrogate=True)


def test_the_branch_is_the_largest_upper_confidence_bound():
    tree = VisitCounts()
    for path, rewards in {((0, 0),): [0.5] * 9, ((0, 1),): [0.4]}.items():
        for reward in rewards:
            tree.add(path, reward)
    bounds = [0.5 + np.sqrt(2 * np.log(10) / 9), 0.4 + np.sqrt(2 * np.log(10) / 1)]
    assert tree.branch([], 0, 2, np.random.default_rng(0)) == int(np.argmax(bounds)) == 1


def test_an_unvisited_branch_comes_first_and_a_trial_grows_one_node():
    tree = VisitCounts()
    tree.add(((0, 0), (1, 1)), 1.0)
    assert set(tree.visits) == {(), ((0, 0),)}
    assert tree.branch([], 0, 2, np.random.default_rng(0)) == 1


def tree_value(seed: int):
    effects: dict[str, float] = {}

    def value(params) -> float:
        total, path = 0.0, ""
        for i in range(6):
            path += params[f"c{i}"]
            if path not in effects:
                effects[path] = np.random.default_rng([seed, *map(ord, path)]).normal() * 0.6**i
            total += effects[path]
        return total

    return value


@pytest.mark.slow
def test_it_finds_better_branches_than_random_search_where_early_decisions_matter_most():
    def best(strategy, seed):
        decisions = play(strategy, 32, given=TERNARY, measure=tree_value(seed))
        return max(map(tree_value(seed), (d.params for d in decisions)))

    gains = []
    for seed in range(5):
        random = TreeSearchStrategy(TERNARY, seed)
        random._untried = lambda *_: None  # every decision is then the uniform draw
        gains.append(best(TreeSearchStrategy(TERNARY, seed), seed) - best(random, seed))
    assert np.mean(gains) > 0


def test_what_failed_is_worth_nothing():
    problem = tl.Problem("p", tl.SearchSpace([tl.Int("n", 1, 8)]))
    from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History

    history = History(problem).extended(
        finished=[
            FinishedTrial(0, {"n": 1}, tl.Measurement(2.0), "x"),
            FinishedTrial(1, {"n": 2}, tl.Measurement(1.0), "x"),
        ],
        failed=[FailedTrial(2, {"n": 8}, "crash", "x")],
    )
    rewards = [reward for _, reward in TreeSearchStrategy(problem, 0)._samples(history, [])]
    assert rewards == [0.5, 1.0, 0.0]
