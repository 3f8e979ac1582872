"""Referees by the names that users give them; each is loaded only when it is named."""

from typing import Literal

from ..contracts import AbstractReferee

RefereeName = Literal["trust", "slack", "conformal"]


def referee_named(name: RefereeName | None, *, prior_trust: float = 0.5) -> AbstractReferee:
    """Return the referee of that name; None is ``"trust"``, which starts with ``prior_trust``."""
    if name == "conformal":
        from .conformal import ConformalReferee

        return ConformalReferee()
    from .referee import SlackReferee, TrustReferee

    return SlackReferee() if name == "slack" else TrustReferee(prior=prior_trust)
