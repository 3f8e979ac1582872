"""API keys: who may call the service. They stand in two tables of the ledger's database.

A key is 32 random bytes, shown once; its SHA-256 is kept. (A slow hash guards guessable secrets; these are not.)
What a key may use in a day is an ``Allowance`` (``agent/ledger/allowance.py``), which goes with its caller's asks.
Knows nothing of HTTP: ``guard.py`` asks it who holds a key.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...agent.ledger import schema
from ...agent.ledger.allowance import Allowance, DailyUse
from ...agent.ledger.database import Database
from ...agent.ledger.schema import UNFIT, stored_json
from ...serving.errors import InvalidInput
from ..http.rights import RANK, Caller, Scope

PREFIX = "tlg_"
CACHE_S = 5.0
"""How long a key that was looked up is believed: a revoked key works at most this long."""

KEYS = schema.api_keys


class KeyNotFound(InvalidInput):
    """No key of that name that the caller may see."""


class KeyStore:
    """The keys of one database. Thread-safe; each call is one transaction."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self._seen: dict[str, tuple[float, Caller | None]] = {}

    def add(
        self, name: str, scope: Scope = "write", *, studies: Iterable[str] | None = None, **limits: int | None
    ) -> str:
        """Make a key and return it. It cannot be shown again. ``limits``: those of ``Caller``.

        Raises InvalidInput for a name that is taken, or that could not stand in the path that removes it.
        """
        holder = Caller(name, scope, None if studies is None else frozenset(studies), **limits)
        if holder.scope not in RANK:
            raise InvalidInput(f"`scope` must be one of {', '.join(RANK)}, got {holder.scope!r}.")
        if not 1 <= len(name) <= 100 or not name.isprintable() or not name.strip() or name in (".", ".."):
            raise InvalidInput(f"`name` of a key must be 1 to 100 printable characters, got {name!r:.120}.")
        secret = PREFIX + secrets.token_urlsafe(32)
        row = asdict(holder) | {
            "sha256": digest(secret),
            "studies": None if holder.studies is None else json.dumps(sorted(holder.studies)),
            "made_at": self._clock(),
        }
        try:
            with self._database.write() as connection:
                connection.execute(KEYS.insert().values(row))
        except IntegrityError:
            raise InvalidInput(
                f"There is a key named {name!r} already; remove it first or take another name."
            ) from None
        return secret

    def remove(self, name: str, *, besides: Set[str] = frozenset()) -> None:
        """Revoke a key: it stops working within ``CACHE_S`` seconds. Raises KeyNotFound when there is none, as for
        the names ``besides``, which are not the caller's to see."""
        with self._database.write() as connection:
            mine = KEYS.c.name == name if name not in besides else sa.false()
            gone = connection.execute(KEYS.delete().where(mine)).rowcount
        self._seen.clear()
        if not gone:
            raise KeyNotFound(f"There is no key named {name!r}; `trialogue keys list` shows them.")

    def all(self) -> tuple[Caller, ...]:
        """Return who holds a key, in order of name."""
        with self._database.read() as connection:
            return tuple(_caller(row) for row in connection.execute(sa.select(KEYS).order_by(KEYS.c.name)))

    def lookup(self, secret: str) -> Caller | None:
        """Return who holds this key, or None. Answers are kept for ``CACHE_S`` seconds."""
        if not (secret.startswith(PREFIX) and len(secret) <= 100 and secret.isascii()):
            return None
        hashed, now = digest(secret), self._clock()
        entry = self._seen.get(hashed)
        if entry and 0 <= now - entry[0] < CACHE_S:
            return entry[1]
        with self._database.read() as connection:
            row = connection.execute(sa.select(KEYS).where(KEYS.c.sha256 == hashed)).first()
        caller = None if row is None else _caller(row)
        if len(self._seen) > 10_000:  # somebody tries keys: do not keep them all
            self._seen.clear()
        self._seen[hashed] = (now, caller)
        return caller

    def used_today(self, holder: Caller) -> DailyUse:
        """Return what the holder of a key has used since midnight UTC."""
        with self._database.read() as connection:
            return Allowance(holder.name, clock=self._clock).used(connection)

    def allowance(self, caller: Caller) -> Allowance | None:
        """Return what a caller may use today; None without limits."""
        if caller.asks_per_day is None and caller.tokens_per_day is None:
            return None
        return Allowance(caller.name, caller.asks_per_day, caller.tokens_per_day, self._clock)


def digest(secret: str) -> str:
    """Return the hash under which a key is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _caller(row: sa.Row) -> Caller:
    try:
        studies = None if row.studies is None else frozenset(stored_json(row.studies, list))
    except UNFIT:  # a row that cannot be read opens nothing
        studies = frozenset()
    return Caller(row.name, row.scope, studies, row.requests_per_minute, row.asks_per_day, row.tokens_per_day)
