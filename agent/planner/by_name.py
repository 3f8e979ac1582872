"""Planners by the names that users give them, and who ends them: whoever opened one.

Each kind is loaded only when it is named. A study holds its planner in a ``SharedPlanner``: opened when a decision first
needs it, shared with the study's forks, and ended when the last study that used it is closed.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from ...serving.errors import InvalidInput
from ..contracts import AbstractPlanner
from .planner import Planner
from .specification import PLANNER_FORMS, PlannerText


def planner_from(spec: object) -> AbstractPlanner | None:
    """Return the planner that ``spec`` names: None, a text of ``specification.py``, or a planner itself.

    Whoever calls this for a name must ``close`` what comes back. Raises InvalidInput, and for own servers ServingError.
    """
    if spec is None:
        return None
    if not isinstance(spec, str):
        if not isinstance(spec, AbstractPlanner):
            raise InvalidInput(
                f"`planner` must be None, a text or a planner, got {spec!r}; a class of your own derives from "
                "`trialogue.agent.contracts.AbstractPlanner` and has `name` and `propose`."
            )
        return spec
    text = PlannerText.read(spec)
    address = text.address
    if address == "embedded":
        from .embedded import EmbeddedPlanner  # transformers and torch are loaded only for this one

        return EmbeddedPlanner()
    if text.own_server:
        from .own_server import own_planner

        return own_planner(text)
    if address.startswith(("http://", "https://")):
        return Planner(address, history=text.history or "usual", instructions=text.instructions or "bandit")
    raise _no_planner(spec)


def check_planner(spec: object) -> None:
    """Raise InvalidInput for a text that names no planner. Opens nothing, and asks no server."""
    if not isinstance(spec, str):
        return
    text = PlannerText.read(spec)
    address = text.address
    if address == "embedded" or text.own_server:
        return
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        sound = False
    if not sound or not spec.isprintable() or " " in spec:
        raise _no_planner(spec)


def _no_planner(spec: str) -> InvalidInput:
    return InvalidInput(f"`planner` must be None or one of {PLANNER_FORMS}, got {spec!r:.300}.")


class SharedPlanner:
    """A planner as a user stated it, opened at most once for all who use it. Thread-safe.

    What it opened itself it closes when the last user leaves; a planner that was handed over is its maker's to close.
    As a context it stays open, once opened, between users. ``opened``: makes a planner of a specification.
    """

    def __init__(
        self, spec: object, *, opened: Callable[[object], AbstractPlanner | None] = planner_from
    ) -> None:
        self.spec = spec
        self._opened = opened
        self._planner: AbstractPlanner | None = None
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._users.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave(self)

    def join(self, user: object) -> AbstractPlanner | None:
        """Return the planner, opening it where it is not open; ``user`` must leave again. Raises as ``planner_from``."""
        with self._lock:
            if self._planner is None:
                self._planner = self._opened(self.spec)
            self._users.add(user)
            return self._planner

    def leave(self, user: object) -> None:
        """Give the planner back; the last to leave ends it. Fine to call twice."""
        with self._lock:
            self._users.discard(user)
            if self._users or self._planner is None:
                return
            planner, self._planner = self._planner, None
            if isinstance(self.spec, str):
                planner.close()
