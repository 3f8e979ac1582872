import math

import numpy as np
import pytest
from contracts.surrogate import SurrogateContract

import trialogue as tl
from trialogue.prompts.llambo import read_score, target_value
from trialogue.serving.endpoints.chat import Completion, TokenLogprob
from trialogue.serving.endpoints.client import OpenAIClient
from trialogue.serving.scripted.behaviours import in_context_learner
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer
from trialogue.surrogates.alternatives.llm_classes import GenerativeSurrogate, probability_of_one
from trialogue.surrogates.alternatives.llm_scores import DiscriminativeSurrogate
from trialogue.surrogates.contracts import TrainingData

KINDS = [DiscriminativeSurrogate, GenerativeSurrogate]
SPACE = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("z", -1, 1), tl.Categorical("m", ["a", "bb"])])


def data(n=16, scale=1.0, shift=0.0, order=None):
    X, active = SPACE.encode(SPACE.sample(np.random.default_rng(0), n))
    y = -((X[:, 0] - 0.3) ** 2) - 0.2 * (X[:, 2] > 0.5)
    order = np.arange(n) if order is None else order
    return TrainingData(SPACE, X[order], active[order], (scale * y + shift)[order], np.full(n, np.nan))


@pytest.fixture
def endpoint():
    with ScriptedServer(in_context_learner) as server:
        yield OpenAIClient(server.url)


class OverHttp(SurrogateContract):
    """The contract suite, with a scripted model that reads the examples in the prompt."""

    tolerance = 1e-4
    learned = 0.3

    @pytest.fixture(autouse=True)
    def serve(self):
        with ScriptedServer(in_context_learner) as server:
            self.endpoint = OpenAIClient(server.url)
            yield


class TestDiscriminativeContract(OverHttp):
    def make(self):
        return DiscriminativeSurrogate(self.endpoint, orders=1, samples=1, held_out=0)


class TestGenerativeContract(OverHttp):
    def make(self):
        return GenerativeSurrogate(self.endpoint, orders=1, samples=1, top=0.5)


def queries():
    return SPACE.encode([{"x": x, "z": 0.0, "m": "a"} for x in (0.0, 0.3, 1.0)])


@pytest.mark.parametrize("kind", KINDS)
class TestBeliefs:
    """What holds beyond the contract."""

    def test_beliefs_are_finite_with_positive_spread(self, kind, endpoint):
        for n in (1, 2, 16):
            mean, sd = kind(endpoint, samples=2).fit(data(n), np.random.default_rng(0)).predict(*queries())
            assert np.isfinite(mean).all()
            assert (sd > 0).all()
            assert np.isfinite(sd).all()
            assert mean.shape == sd.shape == (3,)

    def test_a_constant_objective_is_no_trouble(self, kind, endpoint):
        given = data(6)
        flat = TrainingData(given.space, given.X, given.active, np.full(6, 3.0), given.noise)
        mean, sd = kind(endpoint, samples=2).fit(flat, np.random.default_rng(0)).predict(*queries())
        assert np.isfinite([*mean, *sd]).all()

    def test_row_order_does_not_matter(self, kind, endpoint):
        shuffled = np.random.default_rng(3).permutation(16)
        a, b = (
            kind(endpoint, samples=2).fit(data(order=o), np.random.default_rng(0)).predict(*queries())
            for o in (None, shuffled)
        )
        np.testing.assert_allclose(a, b)

    @pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, -3e5), (2.0, 1e3)])
    def test_it_follows_affine_changes_of_the_objective(self, kind, endpoint, scale, shift):
        plain = kind(endpoint, samples=2).fit(data(), np.random.default_rng(0)).predict(*queries())
        moved = (
            kind(endpoint, samples=2)
            .fit(data(16, scale, shift), np.random.default_rng(0))
            .predict(*queries())
        )
        np.testing.assert_allclose((moved[0] - shift) / scale, plain[0], atol=1e-5)
        np.testing.assert_allclose(moved[1] / scale, plain[1], rtol=1e-4)

    def test_what_the_examples_show_is_believed(self, kind, endpoint):
        mean, _ = kind(endpoint).fit(data(), np.random.default_rng(0)).predict(*queries())
        assert mean[1] > mean[2]

    def test_a_model_that_is_gone_leaves_the_data_mean(self, kind):
        surrogate = kind(OpenAIClient("http://127.0.0.1:9/v1", model="m"), deadline_s=2)
        mean, sd = surrogate.fit(data(), np.random.default_rng(0)).predict(*queries())
        assert np.ptp(mean) == 0
        assert (sd > 0).all()
        assert surrogate.account.failed > 0

    def test_nonsense_is_counted_and_not_believed(self, kind):
        with ScriptedServer(lambda c: ScriptedReply("maybe")) as server:
            surrogate = kind(OpenAIClient(server.url))
            mean, _ = surrogate.fit(data(), np.random.default_rng(0)).predict(*queries())
        assert np.ptp(mean) == 0
        assert surrogate.account.failed > 0

    def test_tokens_are_counted(self, kind, endpoint):
        surrogate = kind(endpoint, samples=2)
        surrogate.fit(data(), np.random.default_rng(0)).predict(*queries())
        assert surrogate.account.usage.prompt_tokens > 100


def test_recalibration_widens_a_model_that_is_too_sure():
    with ScriptedServer(lambda c: ScriptedReply('{"score": 50}')) as server:
        endpoint = OpenAIClient(server.url)
        raw, fixed = (
            DiscriminativeSurrogate(endpoint, held_out=h).fit(data(), np.random.default_rng(0))
            for h in (0, 4)
        )
    assert raw.stretch == 1.0
    assert fixed.stretch > 3


def test_probabilities_come_from_the_first_token_that_decides():
    tokens = (TokenLogprob(" ", -0.1, {}), TokenLogprob("1", math.log(0.6), {"0": math.log(0.2)}))
    assert probability_of_one([Completion(" 1", logprobs=tokens)]) == pytest.approx(0.75)
    assert probability_of_one([Completion("1"), Completion("0"), Completion("1")]) == pytest.approx(0.625)
    assert probability_of_one([Completion("yes")]) is None
    worded = (TokenLogprob("Yes", math.log(0.9), {"1": math.log(0.03), "0": math.log(0.01)}),)
    assert probability_of_one([Completion("Yes.", logprobs=worded)]) == pytest.approx(0.75)


def test_the_generative_belief_puts_its_probability_above_the_threshold(endpoint):
    from scipy.stats import norm

    posterior = GenerativeSurrogate(endpoint).fit(data(), np.random.default_rng(0))
    X, active = queries()
    mean, sd = posterior.predict(X, active)
    np.testing.assert_allclose(norm.sf(posterior.threshold, mean, sd), posterior.probability(X))


@pytest.mark.parametrize(
    ("text", "score"),
    [('{"score": 1e-05}', 1e-5), ("## -3.5 ##", -3.5), ("about 40", 40.0), ("none", None), ("9e99", None)],
)
def test_scores_are_read_with_sign_and_exponent(text, score):
    assert read_score(text) == score


@pytest.mark.parametrize(
    ("y", "maximize", "expected"),
    [
        ([1.0, 3.0], False, 0.8),
        ([1.0, 3.0], True, 3.2),
        ([-5.0, -1.0], False, -5.4),
        ([1.0], True, 1.01),
        ([0.0], False, -0.1),
    ],
)
def test_targets_have_the_objectives_own_sign_and_scale(y, maximize, expected):
    assert target_value(y, 0.1, maximize=maximize) == pytest.approx(expected)
