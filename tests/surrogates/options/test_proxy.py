"""The network that stands in: trained at updates only, right on a smooth function, and judged by what it did not see."""

import numpy as np

from trialogue.surrogates.options.proxy import FEWEST, TESTED, UPDATE, TrainedProxy, is_accurate, spread

RNG = np.random.default_rng(0)
Z = RNG.random((FEWEST + UPDATE + 5, 2))
SMOOTH = (Z[:, 0] - 0.3) ** 2 + 0.5 * Z[:, 1]


def test_it_is_trained_at_updates_and_accurate_where_the_function_is_smooth() -> None:
    proxy = TrainedProxy.fit(Z, SMOOTH)
    assert proxy is not None
    assert proxy.rows == FEWEST + UPDATE
    everything = np.ones(len(Z), bool)
    errors = proxy.errors(Z, SMOOTH, everything)
    assert len(errors) == TESTED
    assert is_accurate(errors, 0.05 * spread(SMOOTH))
    later = proxy.predict(Z[proxy.rows :]) - SMOOTH[proxy.rows :]
    assert np.allclose(errors[-5:], later)
    assert np.allclose(proxy.errors(Z, SMOOTH, ~everything), proxy.held_out[-TESTED:])


def test_it_is_not_accurate_on_noise() -> None:
    y = RNG.normal(size=len(Z))
    proxy = TrainedProxy.fit(Z, y)
    assert proxy is not None
    assert not is_accurate(proxy.errors(Z, y, np.ones(len(y), bool)), 0.05 * spread(y))


def test_there_is_none_for_few_rows_or_one_value() -> None:
    assert TrainedProxy.fit(Z[: FEWEST - 1], SMOOTH[: FEWEST - 1]) is None
    assert TrainedProxy.fit(Z, np.ones(len(Z))) is None
