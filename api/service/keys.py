"""API keys: who may call the service. They stand in two tables of the ledger's database.

A key is 32 random bytes, shown once; its SHA-256 is kept. (A slow hash guards guessable secrets; these are not.)
What a key may spend per day is counted here, so that several servers on one database share the count.
Knows nothing of HTTP: ``security.py`` asks it who holds a key, the routes ask it whether a day's budget is left.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...agent.ledger import schema
from ...agent.ledger.database import Database
from ...serving.errors import InvalidInput, TrialogueError
from ..http.rights import RANK, Caller, Scope

PREFIX = "tlg_"
CACHE_S = 5.0
"""How long a key that was looked up is believed: a revoked key works at most this long."""
DAY_S = 86_400

KEYS, USE = schema.api_keys, schema.api_use


class DailyBudgetSpent(TrialogueError):
    """A key has used what it may use today. ``retry_after_s``: seconds until the next day (UTC)."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class DailyUse:
    """What a key has used today."""

    asks: int = 0
    tokens: int = 0


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
        """Revoke a key: it stops working within ``CACHE_S`` seconds. Raises InvalidInput when there is none, as for
        the names ``besides``, which are not the caller's to see."""
        with self._database.write() as connection:
            mine = KEYS.c.name == name if name not in besides else sa.false()
            gone = connection.execute(KEYS.delete().where(mine)).rowcount
        self._seen.clear()
        if not gone:
            raise InvalidInput(f"There is no key named {name!r}; `trialogue keys list` shows them.")

    def all(self) -> tuple[Caller, ...]:
        """Return who holds a key, in order of name."""
        with self._database.read() as connection:
            return tuple(_caller(row) for row in connection.execute(sa.select(KEYS).order_by(KEYS.c.name)))

    def lookup(self, secret: str) -> Caller | None:
        """Return who holds this key, or None. Answers are kept for ``CACHE_S`` seconds."""
        if not (secret.startswith(PREFIX) and len(secret) <= 100 and secret.isascii()):
            return None
        hashed, now = digest(secret), self._clock()
        seen = self._seen.get(hashed)
        if seen and 0 <= now - seen[0] < CACHE_S:
            return seen[1]
        with self._database.read() as connection:
            row = connection.execute(sa.select(KEYS).where(KEYS.c.sha256 == hashed)).first()
        caller = None if row is None else _caller(row)
        if len(self._seen) > 10_000:  # somebody tries keys: do not keep them all
            self._seen.clear()
        self._seen[hashed] = (now, caller)
        return caller

    def used_today(self, name: str) -> DailyUse:
        """Return what a key has used since midnight UTC."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(USE.c.asks, USE.c.tokens).where(self._today(name))).first()
        return DailyUse() if row is None else DailyUse(row.asks, row.tokens)

    def charge(self, caller: Caller, *, asks: int = 0, tokens: int = 0) -> None:
        """Count what a caller uses; raise DailyBudgetSpent, and count nothing, when a limit would be passed.

        Tokens are known afterwards only: a call that finds any left may pass the limit once.
        """
        if caller.asks_per_day is None and caller.tokens_per_day is None:
            return
        used = self.used_today(caller.name)
        if caller.asks_per_day is not None and asks and used.asks + asks > caller.asks_per_day:
            raise self._spent(
                f"{caller.name!r} may ask for {caller.asks_per_day} trials a day and has had {used.asks}"
            )
        if caller.tokens_per_day is not None and not tokens and used.tokens >= caller.tokens_per_day:
            raise self._spent(
                f"{caller.name!r} may use {caller.tokens_per_day} tokens a day and has used {used.tokens}"
            )
        with self._database.write() as connection:
            changed = {"asks": USE.c.asks + asks, "tokens": USE.c.tokens + tokens}
            if not connection.execute(USE.update().where(self._today(caller.name)).values(changed)).rowcount:
                row = {"name": caller.name, "day": self._day(), "asks": asks, "tokens": tokens}
                connection.execute(USE.insert().values(row))

    def _day(self) -> int:
        return int(self._clock() // DAY_S)

    def _today(self, name: str) -> sa.ColumnElement[bool]:
        return sa.and_(USE.c.name == name, USE.c.day == self._day())

    def _spent(self, message: str) -> DailyBudgetSpent:
        wait_s = int(DAY_S - self._clock() % DAY_S) + 1
        return DailyBudgetSpent(f"{message}; the count starts again at midnight UTC.", wait_s)


def digest(secret: str) -> str:
    """Return the hash under which a key is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _caller(row: sa.Row) -> Caller:
    studies = None if row.studies is None else frozenset(json.loads(row.studies))
    return Caller(row.name, row.scope, studies, row.requests_per_minute, row.asks_per_day, row.tokens_per_day)
